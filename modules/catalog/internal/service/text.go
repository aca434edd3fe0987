package service

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// checkLine says what keeps a text from being a line of at most so many
// characters; "" is nothing.
func checkLine(text string, most int) string {
	switch {
	case !utf8.ValidString(text):
		return "is not UTF-8 text"
	case utf8.RuneCountInString(text) > most:
		return fmt.Sprintf("is longer than %d characters", most)
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return fmt.Sprintf("holds the control character %U", r)
		}
	}
	return ""
}
