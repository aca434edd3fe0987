package orders

import (
	_ "stoa/platform/db"
)
