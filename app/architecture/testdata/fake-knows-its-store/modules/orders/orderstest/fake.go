package orderstest

import (
	_ "stoa/modules/orders/internal/store"
)
