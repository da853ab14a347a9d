package io.lakehouse.events;

/** Why a message is rejected, as `code: detail`; dashboards and alerts group by the code. */
final class Reasons {
    static final String NO_VALUE = "null_value: the message has no value";
    static final String EMPTY = "empty_value: the message is empty";
    static final String NOT_UTF8 = "not_utf8: the value is not valid UTF-8";
    static final String LONE_SURROGATE =
            "lone_surrogate: half of a surrogate pair (\\ud800 to \\udfff) is no character";

    private Reasons() {}

    static String wrongType(EventColumn column, String json) {
        return "wrong_type: " + column.name() + " should be " + column.type().contractName() + ", is " + json;
    }

    static String tooLarge(EventColumn column, String json) {
        return "out_of_range: " + column.name() + " does not fit "
                + column.type().contractName() + ": " + json;
    }

    static String below(EventColumn column, String json) {
        return "out_of_range: " + column.name() + " is below "
                + column.minimum().toPlainString() + ": " + json;
    }

    static String above(EventColumn column, String json) {
        return "out_of_range: " + column.name() + " is above "
                + column.maximum().toPlainString() + ": " + json;
    }

    static String invalid(EventColumn column, String json) {
        return "invalid_" + column.type().contractName() + ": " + column.name() + " is " + json;
    }

    static String missing(EventColumn column) {
        return "missing_required: " + column.name();
    }
}
