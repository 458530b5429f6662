"""An Apache Kafka broker on this machine, without Docker: `make kafka`, and the broker of the
tests.

Its jars come from Maven Central once, by `mvn`, or where that is missing by the Ivy that lies
inside pyspark, and are kept in the user's cache folder. It needs Java 17 or newer and listens on
127.0.0.1 only. Once everything is there, this process becomes the broker: signals reach Kafka
itself.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

KAFKA = "4.3.1"
COORDINATES = (("org.apache.kafka", "kafka_2.13", KAFKA), ("org.slf4j", "slf4j-simple", "1.7.36"))
MIN_JAVA = 17
# Brokers of one cluster share it; 16 bytes in URL-safe base64.
CLUSTER_ID = "cmVlbHN0cmVhbS1sb2NhbA"
HOST = "127.0.0.1"

PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
log.dirs={data}/log
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.num.partitions=3
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
"""

POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>reelstream</groupId><artifactId>local-kafka</artifactId><version>1</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""
POM_DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
)
IVY = """\
<ivy-module version="2.0">
  <info organisation="reelstream" module="local-kafka"/>
  <dependencies>{dependencies}</dependencies>
</ivy-module>
"""
IVY_DEPENDENCY = '<dependency org="{}" name="{}" rev="{}" conf="default->default,runtime"/>'


class CannotStartError(Exception):
    """What is missing, and what to do."""


def main() -> None:
    """Fetch the jars, write the broker's properties, and become the broker."""
    options = parse(sys.argv[1:])
    try:
        java = find_java()
        properties = write_properties(options)
        command = [
            java,
            f"-Xmx{options.heap}",
            "-XX:+UseSerialGC",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]
        command += ["-cp", f"{fetch_jars(java)}/*"]
        # Kafka starts only on a formatted folder, and refuses to format one twice.
        if not (options.data / "log" / "meta.properties").exists():
            run(
                [
                    *command,
                    "kafka.tools.StorageTool",
                    "format",
                    "-t",
                    CLUSTER_ID,
                    "-c",
                    str(properties),
                ]
            )
    except CannotStartError as error:
        sys.exit(f"local_kafka: {error}")
    print(
        f"Kafka {KAFKA} on {HOST}:{options.port}, data in {options.data}; Ctrl-C ends it",
        flush=True,
    )
    # Not a child: signals to this process id reach the broker.
    os.execvp(java, [*command, "kafka.Kafka", str(properties)])


def parse(arguments: list[str]) -> argparse.Namespace:
    """What the caller asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=Path(".kafka"), help="where its topics lie [default: .kafka]"
    )
    parser.add_argument(
        "--port", type=int, default=9092, help="where clients find it [default: 9092]"
    )
    parser.add_argument(
        "--controller-port", type=int, default=9093, help="where brokers find it [default: 9093]"
    )
    parser.add_argument(
        "--node", type=int, default=1, help="its number in a cluster of several [default: 1]"
    )
    parser.add_argument(
        "--voters", help="all brokers of the cluster, as NODE@HOST:CONTROLLER_PORT,..."
    )
    parser.add_argument("--heap", default="512m", help="Java's heap [default: 512m]")
    options = parser.parse_args(arguments)
    options.data = options.data.absolute()
    options.voters = options.voters or f"{options.node}@{HOST}:{options.controller_port}"
    return options


def write_properties(options: argparse.Namespace) -> Path:
    """Write the broker's properties, and return where they are."""
    brokers = options.voters.count(",") + 1
    options.data.mkdir(parents=True, exist_ok=True)
    path: Path = options.data / "server.properties"
    path.write_text(
        PROPERTIES.format(
            node=options.node,
            voters=options.voters,
            host=HOST,
            port=options.port,
            controller_port=options.controller_port,
            data=options.data,
            replicas=min(brokers, 3),
            # Of three brokers one may fail, and writes are still acknowledged.
            in_sync=min(brokers, 2),
        )
    )
    return path


def find_java() -> str:
    """The `java` of JAVA_HOME or of the path, new enough."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(Path(home, "bin", "java") if home else "java")
    if java is None:
        raise CannotStartError(
            f"Kafka needs Java {MIN_JAVA} or newer: apt-get install openjdk-17-jre-headless"
        )
    # Java writes its version to stderr.
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < MIN_JAVA:
        raise CannotStartError(
            f"{java} is too old, Kafka needs Java {MIN_JAVA}: name a newer one with JAVA_HOME"
        )
    return java


def fetch_jars(java: str) -> Path:
    """The folder with Kafka's jars, which is filled once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reelstream"
    folder = cache / f"kafka-{KAFKA}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    print(f"fetching Kafka {KAFKA} into {folder}", flush=True)
    # In the cache itself: a rename works only within one file system.
    with tempfile.TemporaryDirectory(dir=cache) as made:
        fetched = Path(made) / "jars"
        if mvn := shutil.which("mvn"):
            fetch_with_maven(mvn, Path(made), fetched)
        else:
            fetch_with_ivy(java, Path(made), fetched)
        if not any(fetched.glob("kafka_*.jar")):
            raise CannotStartError(
                f"Kafka {KAFKA} could not be fetched: its jars are not in what was downloaded"
            )
        # Brokers of a cluster start together: another may have fetched the jars meanwhile.
        if not folder.is_dir():
            fetched.rename(folder)
    return folder


def fetch_with_maven(mvn: str, work: Path, target: Path) -> None:
    """Copy Kafka and what it needs into `target`."""
    (work / "pom.xml").write_text(
        POM.format(dependencies="".join(POM_DEPENDENCY.format(*each) for each in COORDINATES))
    )
    copy = ["dependency:copy-dependencies", f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
    run([mvn, "--quiet", "--batch-mode", "--file", str(work / "pom.xml"), *copy])


def fetch_with_ivy(java: str, work: Path, target: Path) -> None:
    """The same with the Ivy that pyspark carries."""
    spark = find_spec("pyspark")
    ivy = (
        next(Path(spark.origin).parent.glob("jars/ivy-*.jar"), None)
        if spark and spark.origin
        else None
    )
    if ivy is None:
        raise CannotStartError(
            "Kafka is fetched by Maven, or by pyspark: apt-get install maven, or make venv"
        )
    (work / "ivy.xml").write_text(
        IVY.format(dependencies="".join(IVY_DEPENDENCY.format(*each) for each in COORDINATES))
    )
    retrieve = ["-types", "jar", "bundle", "-retrieve", f"{target}/[artifact]-[revision].[ext]"]
    run(
        [
            java,
            "-jar",
            str(ivy),
            "-cache",
            str(work / "ivy"),
            "-ivy",
            str(work / "ivy.xml"),
            *retrieve,
        ]
    )


def run(command: list[str]) -> None:
    """A step that must succeed; its output is shown only when it does not."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise CannotStartError(f"`{' '.join(command)}` failed:\n{done.stdout}")


if __name__ == "__main__":
    main()
