"""The streaming application by a path, as Spark's operator names what a driver runs."""

import sys

from lakehouse_spark.__main__ import main

sys.exit(main())
