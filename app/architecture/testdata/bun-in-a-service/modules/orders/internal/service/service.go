package service

import (
	_ "github.com/uptrace/bun"
)
