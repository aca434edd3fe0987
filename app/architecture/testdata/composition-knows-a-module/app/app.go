package app

import (
	_ "stoa/modules/orders"
)
