package replay

import (
	_ "stoa/modules/orders/internal/service"
)
