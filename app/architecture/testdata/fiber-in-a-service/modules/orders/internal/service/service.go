package service

import (
	_ "github.com/gofiber/fiber/v2"
)
