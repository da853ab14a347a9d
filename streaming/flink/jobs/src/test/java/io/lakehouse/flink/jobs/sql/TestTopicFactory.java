package io.lakehouse.flink.jobs.sql;

import java.util.HashSet;
import java.util.Set;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;

/** The connector {@code test-topic}, which stands for `kafka` and `upsert-kafka` where no broker runs. */
public final class TestTopicFactory implements DynamicTableSourceFactory, DynamicTableSinkFactory {
    private static final ConfigOption<String> TOPIC =
            ConfigOptions.key("topic").stringType().noDefaultValue();
    private static final ConfigOption<String> KEY_FORMAT =
            ConfigOptions.key("key.format").stringType().noDefaultValue();
    private static final ConfigOption<String> VALUE_FORMAT =
            ConfigOptions.key("value.format").stringType().noDefaultValue();

    @Override
    public String factoryIdentifier() {
        return "test-topic";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(TOPIC);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return new HashSet<>(Set.of(KEY_FORMAT, VALUE_FORMAT, FactoryUtil.FORMAT));
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        boolean upsert = helper.getOptions().getOptional(KEY_FORMAT).isPresent();
        DecodingFormat<DeserializationSchema<RowData>> format = helper.discoverDecodingFormat(
                DeserializationFormatFactory.class, upsert ? VALUE_FORMAT : FactoryUtil.FORMAT);
        return new TestTopicSource(helper.getOptions().get(TOPIC), format, upsert, context.getPhysicalRowDataType());
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        String topic = context.getCatalogTable().getOptions().get(TOPIC.key());
        return new TestTopicSink(topic, context.getPhysicalRowDataType());
    }
}
