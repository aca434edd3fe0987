package service

import (
	_ "github.com/danielgtaylor/huma/v2"
)
