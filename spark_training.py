"""Train on Spark by `spark-submit spark_training.py --work DIR`: `reelstream train --engine spark`,
with its options.
"""

import sys

from reelstream.cli import main

sys.argv[1:1] = ["train", "--engine", "spark"]
sys.exit(main())
