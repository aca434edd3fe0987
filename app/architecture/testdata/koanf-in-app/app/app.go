package app

import (
	_ "github.com/knadh/koanf/v2"
)
