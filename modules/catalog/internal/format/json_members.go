package format

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonMembers reads the members of a JSON value one by one. A member of the
// wrong kind is noted and skipped; an error is returned only where the decoder
// cannot go on.
type jsonMembers struct {
	dec    *jsontext.Decoder
	faults []jsonFault
}

type jsonFault struct{ path, message string }

// at is a place in a product, turned into text only when it is needed.
type at struct {
	parent string
	name   string
	index  int
}

// none is the index of what is not an item of a list.
const none = -1

func (a at) String() string {
	path := a.name
	switch {
	case a.name == "":
		path = a.parent
	case a.parent != "":
		path = a.parent + "." + a.name
	}
	if a.index != none && path != "" {
		path += "[" + strconv.Itoa(a.index) + "]"
	}
	return path
}

func (a at) member(name string) at { return at{a.String(), name, none} }

// written is the same place, its text made already, for the places of many
// members.
func (a at) written() at { return at{a.String(), "", none} }

// fault notes what is wrong, once for each place. An empty message is nothing.
func (j *jsonMembers) fault(path, message string) {
	if message == "" || len(j.faults) >= MaxRowErrors {
		return
	}
	if !slices.ContainsFunc(j.faults, func(f jsonFault) bool { return f.path == path }) {
		j.faults = append(j.faults, jsonFault{path, message})
	}
}

// broken notes an error of the decoder: a name that stands twice, or text that
// is neither UTF-8 nor made of whole characters. All else was found when the
// product was cut out of the file.
func (j *jsonMembers) broken(err error) {
	var syntax *jsontext.SyntacticError
	switch {
	case !errors.As(err, &syntax):
		j.fault("", err.Error())
	case errors.Is(err, jsontext.ErrDuplicateName):
		j.fault(pointerPath(syntax.JSONPointer), "stands twice")
	default:
		j.fault(pointerPath(syntax.JSONPointer), "is not Unicode text")
	}
}

// pointerPath writes a JSON Pointer (RFC 6901) as the paths of other errors.
func pointerPath(pointer jsontext.Pointer) string {
	var path strings.Builder
	for token := range pointer.Tokens() {
		if _, err := strconv.Atoi(token); err == nil {
			path.WriteString("[" + token + "]")
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(clip(token))
	}
	return path.String()
}

// object reads an object by its members. Their names are taken in lower case
// and by what they are called here; what is called "" is skipped. It reports
// false for null and for what is no object.
func (j *jsonMembers) object(here at, names map[string]string, member func(name string) (known bool, err error)) (bool, error) {
	switch j.dec.PeekKind() {
	case '{':
	case 'n':
		return false, j.dec.SkipValue()
	default:
		j.fault(here.String(), "must be an object")
		return false, j.dec.SkipValue()
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return false, err
	}
	var seen []string
	for j.dec.PeekKind() != '}' {
		token, err := j.dec.ReadToken()
		if err != nil {
			return false, err
		}
		written := token.String()
		name := strings.ToLower(written)
		if other, ok := names[name]; ok {
			name = other
		}
		known := true
		switch {
		case name == "":
			err = j.dec.SkipValue()
		case slices.Contains(seen, name):
			j.fault(here.member(clip(written)).String(), "stands twice")
			err = j.dec.SkipValue()
		default:
			seen = append(seen, name)
			known, err = member(name)
		}
		if !known && err == nil {
			j.fault(here.member(clip(written)).String(), "there is no such member")
			err = j.dec.SkipValue()
		}
		if err != nil {
			return false, err
		}
	}
	_, err := j.dec.ReadToken()
	return true, err
}

// list reads a list item by item. It reports false for null and for what is no
// list.
func (j *jsonMembers) list(here at, item func(i int) error) (bool, error) {
	switch j.dec.PeekKind() {
	case '[':
	case 'n':
		return false, j.dec.SkipValue()
	default:
		j.fault(here.String(), "must be a list")
		return false, j.dec.SkipValue()
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return false, err
	}
	for i := 0; j.dec.PeekKind() != ']'; i++ {
		if err := item(i); err != nil {
			return false, err
		}
	}
	_, err := j.dec.ReadToken()
	return true, err
}

// text reads text; null is empty.
func (j *jsonMembers) text(here at) (string, error) {
	switch j.dec.PeekKind() {
	case '"':
		token, err := j.dec.ReadToken()
		if err != nil {
			return "", err
		}
		return token.String(), nil
	case 'n':
	default:
		j.fault(here.String(), "must be text")
	}
	return "", j.dec.SkipValue()
}

// texts reads a list of texts.
func (j *jsonMembers) texts(here at) ([]string, error) {
	var texts []string
	_, err := j.list(here, func(i int) error {
		text, err := j.text(at{here.parent, here.name, i})
		texts = append(texts, text)
		return err
	})
	return texts, err
}

// whole reads a whole number of 0 or more. It reports false for null and for
// what is none.
func (j *jsonMembers) whole(here at) (int64, bool, error) {
	switch j.dec.PeekKind() {
	case '0':
		token, err := j.dec.ReadToken()
		if err != nil {
			return 0, false, err
		}
		n, message := wholeNumber(token.String(), false)
		j.fault(here.String(), message)
		return n, true, nil
	case 'n':
	default:
		j.fault(here.String(), "must be a whole number")
	}
	return 0, false, j.dec.SkipValue()
}
