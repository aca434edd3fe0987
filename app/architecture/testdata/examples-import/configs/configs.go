package configs

import (
	_ "stoa/platform/errs"
)
