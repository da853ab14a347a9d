package io.lakehouse.flink.delta.internal.parquet;

import io.delta.kernel.expressions.Column;
import io.delta.kernel.expressions.Literal;
import io.delta.kernel.statistics.DataFileStatistics;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.StructType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.parquet.column.statistics.Statistics;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.ColumnChunkMetaData;
import org.apache.parquet.hadoop.metadata.ParquetMetadata;

/**
 * A data file's Delta statistics, from the footer that Parquet has just written.
 *
 * <p>Readers skip whole files by these, so a bound that is too tight silently loses rows. Where a bound cannot be
 * stated exactly it is widened, and left out where it cannot be widened: see {@link Bounds}.
 */
final class FooterStatistics {

    private FooterStatistics() {}

    /** @return the statistics as JSON, as they stand in the Delta log */
    static String json(ParquetMetadata footer, StructType schema, Map<Column, DataType> columns) {
        Map<Column, List<ColumnChunkMetaData>> chunks = new HashMap<>();
        long rows = 0;
        for (BlockMetaData rowGroup : footer.getBlocks()) {
            rows += rowGroup.getRowCount();
            for (ColumnChunkMetaData chunk : rowGroup.getColumns()) {
                Column column = new Column(chunk.getPath().toArray());
                chunks.computeIfAbsent(column, c -> new ArrayList<>()).add(chunk);
            }
        }
        Map<Column, Literal> minimum = new HashMap<>();
        Map<Column, Literal> maximum = new HashMap<>();
        Map<Column, Long> nulls = new HashMap<>();
        columns.forEach((column, type) -> {
            // Arrays and maps have no chunk of their own name, and get no statistics.
            List<ColumnChunkMetaData> parts = chunks.getOrDefault(column, List.of());
            if (parts.isEmpty() || parts.stream().anyMatch(FooterStatistics::incomplete)) {
                return;
            }
            nulls.put(
                    column,
                    parts.stream()
                            .mapToLong(p -> p.getStatistics().getNumNulls())
                            .sum());
            Bounds bounds = Bounds.of(
                    type,
                    parts.stream()
                            .<Statistics<?>>map(ColumnChunkMetaData::getStatistics)
                            .filter(Statistics::hasNonNullValue)
                            .toList());
            bounds.minimum().ifPresent(value -> minimum.put(column, value));
            bounds.maximum().ifPresent(value -> maximum.put(column, value));
        });
        return new DataFileStatistics(rows, minimum, maximum, nulls, Optional.empty()).serializeAsJson(schema);
    }

    private static boolean incomplete(ColumnChunkMetaData chunk) {
        Statistics<?> statistics = chunk.getStatistics();
        return statistics == null
                || !statistics.isNumNullsSet()
                || !statistics.hasNonNullValue() && statistics.getNumNulls() != chunk.getValueCount();
    }
}
