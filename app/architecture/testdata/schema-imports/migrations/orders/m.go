package ordersmigrations

import (
	_ "stoa/platform/errs"
)
