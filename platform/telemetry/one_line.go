package telemetry

import (
	"fmt"
	"io"
	"unicode/utf8"
)

// oneLine keeps a record to one line, and the terminal that shows it safe. slog
// hands it one record at a time. What could break a line or steer a terminal is
// written as JSON escapes it, `\u001b`; in text, slog has quoted most of it
// already. The newline that ends the record stays.
type oneLine struct{ to io.Writer }

// Write passes a record on. It reports as many bytes as it was given.
func (l oneLine) Write(record []byte) (int, error) {
	end := len(record)
	if end > 0 && record[end-1] == '\n' {
		end--
	}
	clean := record
	if first := firstEscape(record[:end]); first < end {
		clean = append([]byte(nil), record[:first]...)
		for rest := record[first:end]; len(rest) > 0; {
			r, size := utf8.DecodeRune(rest)
			switch {
			case r == utf8.RuneError && size == 1:
				clean = append(clean, `\ufffd`...)
			case mustEscape(r):
				clean = fmt.Appendf(clean, `\u%04x`, r)
			default:
				clean = append(clean, rest[:size]...)
			}
			rest = rest[size:]
		}
		clean = append(clean, record[end:]...)
	}
	if _, err := l.to.Write(clean); err != nil {
		return 0, err
	}
	return len(record), nil
}

// firstEscape gives the index of the first rune that has to be escaped, and the
// length where there is none.
func firstEscape(text []byte) int {
	for i := 0; i < len(text); {
		if b := text[i]; b >= ' ' && b < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 || mustEscape(r) {
			return i
		}
		i += size
	}
	return len(text)
}

// mustEscape tells of the control characters (C0, DEL, C1), the separators that some
// viewers break lines at, and those that change the direction of text.
func mustEscape(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x2028, r == 0x2029, r == 0xfeff:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	default:
		return false
	}
}
