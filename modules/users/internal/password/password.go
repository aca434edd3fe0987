// Package password knows which passwords will do and keeps them as argon2id
// hashes. Only the users module's service imports it. It never sees an account,
// and never stores or logs a password.
package password

import (
	_ "embed"
	"errors"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// How long a password may be, in characters (Unicode code points).
const (
	MinLength = 10
	MaxLength = 256
)

// Why a password will not do.
var (
	ErrShort   = errors.New("must have at least 10 characters")
	ErrLong    = errors.New("must have at most 256 characters")
	ErrControl = errors.New("must not have control characters")
	ErrCommon  = errors.New("is one of the commonest passwords")
)

// Check says why a new password will not do, or nil. Anything may stand in it
// but control characters, as RFC 8265 §4.2 has it; there are no rules of
// composition, as NIST SP 800-63B §5.1.1.2 has it.
//
// Errors: ErrShort, ErrLong, ErrControl, ErrCommon.
func Check(password string) error {
	if utf8.RuneCountInString(password) > MaxLength {
		return ErrLong
	}
	if strings.ContainsFunc(password, unicode.IsControl) {
		return ErrControl
	}
	normal := normalize(password)
	if utf8.RuneCountInString(normal) < MinLength {
		return ErrShort
	}
	if common(strings.ToLower(normal)) {
		return ErrCommon
	}
	return nil
}

// normalize gives a password the one form in which it is hashed: NFKC, so that
// it does not depend on the keyboard it is typed on (NIST SP 800-63B
// §5.1.1.2). Case and spaces stay as they are.
func normalize(password string) string { return norm.NFKC.String(password) }

//go:embed commonest.txt
var commonest string

// listed is the commonest passwords of ten characters and more, in lower case.
// Their source and licence stand in commonest.LICENSE.txt.
var listed = sync.OnceValue(func() map[string]struct{} {
	set := map[string]struct{}{}
	for line := range strings.Lines(commonest) {
		set[strings.TrimSpace(line)] = struct{}{}
	}
	return set
})

// common tells whether a password is among the commonest: one of the list, a
// few characters said again and again, or a row of the alphabet or keyboard.
// The list leaves out the last two, since its makers compute them too.
func common(lower string) bool {
	_, found := listed()[lower]
	return found || repeats(lower) || row(lower)
}

const (
	// longestUnit is how many bytes are "a few characters".
	longestUnit = 6
	// longestRepeated is how many bytes a repetition may have to be common:
	// nobody's list holds longer ones.
	longestRepeated = 24
)

// repeats tells whether a text is a short one said again and again, as
// "qwertyqwerty" and "ababababab" are.
func repeats(text string) bool {
	if len(text) > longestRepeated {
		return false
	}
	for unit := 1; unit <= longestUnit && 2*unit <= len(text); unit++ {
		if text[unit:] == text[:len(text)-unit] {
			return true
		}
	}
	return false
}

// row tells whether a text runs along a row, either way, as "0987654321" does.
func row(text string) bool {
	backwards := []rune(text)
	for i, j := 0, len(backwards)-1; i < j; i, j = i+1, j-1 {
		backwards[i], backwards[j] = backwards[j], backwards[i]
	}
	for _, keys := range []string{"1234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm"} {
		if round := keys + keys; strings.Contains(round, text) || strings.Contains(round, string(backwards)) {
			return true
		}
	}
	return false
}
