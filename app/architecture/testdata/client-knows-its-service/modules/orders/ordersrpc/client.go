package ordersrpc

import (
	_ "stoa/modules/orders/internal/service"
)
