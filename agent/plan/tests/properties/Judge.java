import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Loads every file of a directory with java.util.Properties, as Kafka does (org.apache.kafka.common.utils.Utils.loadProps),
 * and prints what it read. One file after another: its name, then its entries or the reason why it cannot be loaded. All
 * texts in UTF-16 code units, hexadecimal, so that nothing can be mistaken.
 */
public class Judge {
    public static void main(String[] arguments) throws Exception {
        List<Path> files;
        try (Stream<Path> found = Files.list(Path.of(arguments[0]))) {
            files = found.sorted().toList();
        }
        StringBuilder out = new StringBuilder();
        for (Path file : files) {
            out.append("file ").append(file.getFileName()).append('\n');
            Properties read = new Properties();
            try (InputStream stream = Files.newInputStream(file)) {
                read.load(stream);
            } catch (IllegalArgumentException refused) {
                out.append("refused ").append(hexadecimal(refused.getMessage())).append('\n');
                continue;
            }
            for (String key : new TreeSet<>(read.stringPropertyNames())) {
                out.append("entry ").append(hexadecimal(key)).append(' ');
                out.append(hexadecimal(read.getProperty(key))).append('\n');
            }
        }
        System.out.print(out);
    }

    private static String hexadecimal(String text) {
        StringBuilder out = new StringBuilder("x");
        text.chars().forEach(unit -> out.append(String.format("%04x", unit)));
        return out.toString();
    }
}
