package service

import (
	_ "stoa/platform/web"
)
