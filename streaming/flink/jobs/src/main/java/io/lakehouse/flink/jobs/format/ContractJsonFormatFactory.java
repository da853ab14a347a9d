package io.lakehouse.flink.jobs.format;

import io.lakehouse.events.EventSchema;
import io.lakehouse.flink.jobs.events.TableColumns;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;

/**
 * The SQL format {@code contract-json}: messages judged and read by a contract's columns, as all engines of the platform
 * read them, and not by the columns of the table in SQL.
 *
 * <p>The table may declare some of the contract's columns, in any order, with their types; a message is invalid for the
 * fault of any of the contract's. What is invalid is left out and counted in {@code eventsRejected}.
 */
public final class ContractJsonFormatFactory implements DeserializationFormatFactory {
    public static final String IDENTIFIER = "contract-json";

    public static final ConfigOption<String> COLUMNS = ConfigOptions.key("columns")
            .stringType()
            .noDefaultValue()
            .withDescription("The columns of the events, as JSON with the keys that they have in the contract.");

    @Override
    public String factoryIdentifier() {
        return IDENTIFIER;
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(COLUMNS);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of();
    }

    @Override
    public DecodingFormat<DeserializationSchema<RowData>> createDecodingFormat(
            DynamicTableFactory.Context context, ReadableConfig options) {
        FactoryUtil.validateFactoryOptions(this, options);
        return new Format(options.get(COLUMNS));
    }

    /** @throws ValidationException naming each column that the contract does not have so */
    private static void check(RowType wanted, String columns) {
        RowType declared = TableColumns.declared(EventSchema.fromJson(columns));
        for (RowType.RowField field : wanted.getFields()) {
            int index = declared.getFieldIndex(field.getName());
            if (index < 0) {
                throw new ValidationException("Column '%s' is none of the events. These have: %s"
                        .formatted(field.getName(), declared.getFieldNames()));
            }
            // A column that is always there may well be read as one that need not be.
            if (!field.getType().copy(true).equals(declared.getTypeAt(index).copy(true))
                    || (!field.getType().isNullable()
                            && declared.getTypeAt(index).isNullable())) {
                throw new ValidationException("Column '%s' is %s, but the events have it as %s"
                        .formatted(field.getName(), field.getType(), declared.getTypeAt(index)));
            }
        }
    }

    private record Format(String columns) implements DecodingFormat<DeserializationSchema<RowData>> {
        @Override
        public DeserializationSchema<RowData> createRuntimeDecoder(
                DynamicTableSource.Context context, DataType physicalDataType) {
            RowType wanted = (RowType) physicalDataType.getLogicalType();
            check(wanted, columns);
            return new EventRowDeserializer(
                    columns, wanted.getFieldNames(), context.createTypeInformation(physicalDataType));
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }
    }
}
