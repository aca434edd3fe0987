package store

import (
	_ "stoa/platform/bus"
)
