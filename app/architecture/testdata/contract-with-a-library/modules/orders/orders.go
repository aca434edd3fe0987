package orders

import (
	_ "github.com/google/uuid"
)
