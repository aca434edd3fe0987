package bus

import (
	_ "stoa/modules/orders"
)
