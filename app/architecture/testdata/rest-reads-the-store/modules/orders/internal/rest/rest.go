package rest

import (
	_ "stoa/modules/orders/internal/store"
)
