package proxy_test

import (
	"log/slog"
	"slices"
	"strconv"

	"stoa/platform/clock"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func system() clock.Clock { return clock.System() }

func itoa(n int) string { return strconv.Itoa(n) }

func hex(n int) string { return strconv.FormatInt(int64(n), 16) }

func sortStrings(list []string) { slices.Sort(list) }
