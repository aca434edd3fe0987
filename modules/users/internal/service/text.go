package service

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"stoa/platform/errs"
)

// How long what people write may be, in characters (Unicode code points).
const (
	MaxName     = 200
	maxEmail    = 254 // bytes: RFC 5321 §4.5.3.1.3, less the angle brackets
	maxLocal    = 64  // bytes: RFC 5321 §4.5.3.1.1
	maxLabel    = 63  // bytes: RFC 1035 §2.3.4
	maxTerm     = 64
	maxTerms    = 50
	maxSearched = 8
)

// problems gathers what is wrong with a request.
type problems struct{ err *errs.Error }

func (p *problems) add(location, message string) {
	if p.err == nil {
		p.err = errs.ErrInvalid
	}
	p.err = p.err.Field(location, "%s", message)
}

func (p *problems) error() error {
	if p.err == nil {
		return nil
	}
	return p.err
}

// line trims a text of one line and says where it will not do. At least least,
// at most most characters are allowed, and no control characters.
func (p *problems) line(location string, text *string, least, most int) {
	*text = strings.TrimSpace(*text)
	switch n := utf8.RuneCountInString(*text); {
	case n < least:
		p.add(location, "must not be empty")
	case n > most:
		p.add(location, "is too long")
	case !utf8.ValidString(*text) || strings.ContainsFunc(*text, unicode.IsControl):
		p.add(location, "must not have control characters")
	}
}

// email trims an e-mail address and says where it will not do.
func (p *problems) email(location string, text *string) {
	*text = strings.TrimSpace(*text)
	switch {
	case len(*text) > maxEmail:
		p.add(location, "is too long")
	case !isEmail(*text):
		p.add(location, "is no e-mail address")
	}
}

// isEmail tells whether a text is an address that mail can be sent to: what
// RFC 5321 §4.1.2 calls a dot-string and a domain, where letters may be of any
// script (RFC 6531 §3.3). Quoted names, comments and addresses in brackets are
// none that people have.
func isEmail(text string) bool {
	at := strings.LastIndexByte(text, '@')
	if at < 1 || at > maxLocal || !utf8.ValidString(text) {
		return false
	}
	for atom := range strings.SplitSeq(text[:at], ".") {
		if atom == "" || strings.ContainsFunc(atom, notAtom) {
			return false
		}
	}
	labels := strings.Split(text[at+1:], ".")
	if len(labels) < 2 && text[at+1:] != "localhost" {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notHost) {
			return false
		}
	}
	return true
}

func notAtom(c rune) bool {
	return notHost(c) && !strings.ContainsRune("!#$%&'*+/=?^_`{|}~", c)
}

func notHost(c rune) bool {
	return c != '-' && !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c)
}

// emailKey folds an e-mail address to what makes it unique: case does not
// count, nor do other ways to write the same characters. It decides only which
// account is meant; mail goes to the address as the account has it.
func emailKey(email string) string {
	return norm.NFKC.String(strings.ToLower(norm.NFKC.String(strings.TrimSpace(email))))
}

// terms gives what an account is found by: its whole e-mail address, and the
// words of address and name.
func terms(email, name string) []string {
	return append([]string{emailKey(email)}, words(email+" "+name, maxTerms)...)
}

// searched gives the beginnings of terms that a search asks for, all of which
// an account must have. What has an @ in it is part of an address as it stands.
func searched(query string) []string {
	var list []string
	for field := range strings.FieldsSeq(query) {
		if strings.Contains(field, "@") {
			list = append(list, emailKey(field))
		} else {
			list = append(list, words(field, maxSearched)...)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxSearched)]
}

// words takes a text apart into its words, each once.
func words(text string, most int) []string {
	fields := strings.FieldsFunc(emailKey(text), func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !unicode.IsMark(c)
	})
	var list []string
	for _, word := range fields {
		if r := []rune(word); len(r) > maxTerm {
			word = string(r[:maxTerm])
		}
		if !slices.Contains(list, word) && len(list) < most {
			list = append(list, word)
		}
	}
	return list
}
