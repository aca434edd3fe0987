package telemetry

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// NewLogger makes the logger of a process. Format auto writes text where w is a
// terminal. A level it does not know is info.
func NewLogger(w io.Writer, cfg LogConfig) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // config has checked it
	options := &slog.HandlerOptions{Level: level}
	w = oneLine{w}
	if cfg.Format == "text" || cfg.Format != "json" && isTerminal(w.(oneLine).to) {
		return slog.New(contextual(slog.NewTextHandler(w, options)))
	}
	return slog.New(contextual(slog.NewJSONHandler(w, options)))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
