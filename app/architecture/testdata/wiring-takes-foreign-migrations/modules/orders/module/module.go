package module

import (
	_ "stoa/migrations/catalog"
)
