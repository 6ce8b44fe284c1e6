import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.stream.Stream;
import kafka.cluster.EndPoint;
import kafka.server.KafkaConfig;
import org.apache.zookeeper.client.ConnectStringParser;
import scala.collection.Seq;

/**
 * Reads every file of a directory as Kafka and ZooKeeper's client do, and prints what they understood: of `*.connect` a
 * connect string alone, of `*.properties` a whole server.properties. One line a fact: file, what, text; texts in UTF-16 code
 * units, hexadecimal, so that nothing can be mistaken.
 */
public class Judge {
    private static final StringBuilder OUT = new StringBuilder();

    public static void main(String[] arguments) throws Exception {
        List<Path> files;
        try (Stream<Path> found = Files.list(Path.of(arguments[0]))) {
            files = found.sorted().toList();
        }
        for (Path file : files) {
            String name = file.getFileName().toString();
            try {
                if (name.endsWith(".connect")) {
                    connect(name, Files.readString(file));
                } else {
                    properties(name, file);
                }
            } catch (RuntimeException refused) {
                say(name, "refused", String.valueOf(refused.getMessage()));
            }
        }
        System.out.print(OUT);
    }

    private static void connect(String name, String text) {
        ConnectStringParser read = new ConnectStringParser(text);
        List<String> hosts = new ArrayList<>();
        read.getServerAddresses().forEach(at -> hosts.add(at.getHostString() + " " + at.getPort()));
        say(name, "hosts", String.join(",", hosts));
        say(name, "chroot", read.getChrootPath() == null ? "" : read.getChrootPath());
    }

    private static void properties(String name, Path file) throws Exception {
        Properties loaded = new Properties();
        try (InputStream stream = Files.newInputStream(file)) {
            loaded.load(stream);
        }
        KafkaConfig read = KafkaConfig.fromProps(loaded);
        connect(name, read.zkConnect());
        say(name, "listeners", endpoints(read.listeners()));
        say(name, "advertised", endpoints(read.effectiveAdvertisedBrokerListeners()));
        say(name, "dirs", read.logDirs().mkString("|"));
        say(name, "rack", read.rack().isEmpty() ? "" : read.rack().get());
    }

    private static String endpoints(Seq<EndPoint> endpoints) {
        List<String> found = new ArrayList<>();
        endpoints.foreach(at -> found.add(at.listenerName().value() + "://" + at.host() + ":" + at.port()));
        return String.join(",", found);
    }

    private static void say(String file, String what, String text) {
        OUT.append(file).append(' ').append(what).append(" x");
        text.chars().forEach(unit -> OUT.append(String.format("%04x", unit)));
        OUT.append('\n');
    }
}
