package format

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"stoa/modules/catalog"
)

// Slug makes the slug of a product from its title: letters and digits of any
// script in lower case, everything between them one hyphen. A title without
// any gives one made of a hash.
func Slug(title string) string {
	const most = 200 // characters
	var b strings.Builder
	written, gap := 0, false
	for _, r := range title {
		r = unicode.ToLower(r)
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) || !slugRune(r) {
			gap = true
			continue
		}
		if gap && written > 0 {
			b.WriteByte('-')
			written++
		}
		gap = false
		b.WriteRune(r)
		if written++; written >= most {
			break
		}
	}
	slug := b.String()
	if slug == "" || isUUID(slug) {
		return strings.TrimPrefix(slug+"-"+hash(title), "-")
	}
	return slug
}

// maxMadeSKU is the length of a SKU that MakeSKU makes, at most.
const maxMadeSKU = 64

// MakeSKU makes the SKU of a variant that has none, from the slug of its
// product and the values of its options in the order of the options:
//
//	example-t-shirt + {Size: Small, Color: Dark Red}  →  example-t-shirt--small--dark-red
//	floor-lamp + no options                           →  floor-lamp
//
// Each part is lower case ASCII letters and digits with single hyphens between
// them, so the double hyphen tells parts apart and no two products make the
// same SKU. Where that would lose anything but case and single spaces (signs,
// other scripts, an option without a value), or is longer than 64 characters,
// it is cut to fit and ends in a hyphen and ten digits of a hash over the slug
// and the options. So it depends on nothing but these: it is the same again
// whenever the variant is read, whatever else is in the file.
//
// Two variants of one product whose values differ in nothing but case, or in a
// hyphen for a space, get the same SKU; one of them must be given its own.
func MakeSKU(slug string, options []catalog.Option, values map[string]string) string {
	parts := make([]string, 0, 1+len(options))
	part, exact := asciiSlug(slug)
	exact = exact && part == slug
	parts = append(parts, part)
	for _, o := range options {
		part, kept := asciiSlug(values[o.Name])
		exact = exact && kept
		if part != "" {
			parts = append(parts, part)
		}
	}
	sku := strings.TrimPrefix(strings.Join(parts, "--"), "--")
	if exact && len(sku) <= maxMadeSKU {
		return sku
	}
	exactly := make([]string, 0, 1+2*len(options))
	exactly = append(exactly, slug)
	for _, o := range options {
		exactly = append(exactly, o.Name, values[o.Name])
	}
	suffix := hash(exactly...)
	if room := maxMadeSKU - len(suffix) - 1; len(sku) > room {
		sku = sku[:room]
	}
	return strings.TrimPrefix(strings.TrimRight(sku, "-")+"-"+suffix, "-")
}

// asciiSlug gives text in lower case ASCII letters and digits with single
// hyphens between them, and whether nothing but case and single spaces is lost.
func asciiSlug(text string) (slug string, exact bool) {
	b := make([]byte, 0, len(text))
	exact = text != ""
	gap := false
	for i := range len(text) {
		c := text[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
			fallthrough
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			if gap && len(b) > 0 {
				b = append(b, '-')
			}
			gap = false
			b = append(b, c)
		case (c == ' ' || c == '-') && len(b) > 0 && !gap:
			gap = true
		default:
			gap, exact = true, false
		}
	}
	return string(b), exact && !gap
}

// hash gives ten hexadecimal digits that stand for the texts in their order.
func hash(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		h.Write([]byte(text))
		h.Write([]byte{0}) // no text holds one
	}
	return hex.EncodeToString(h.Sum(nil))[:10]
}

// slugRune reports whether a slug may hold r: letters but capital ones, the
// marks that go with them, digits, hyphen and underscore.
func slugRune(r rune) bool {
	switch {
	case r == '-', r == '_', '0' <= r && r <= '9', 'a' <= r && r <= 'z':
		return true
	case r < 0x80:
		return false
	}
	return !unicode.IsUpper(r) && !unicode.IsTitle(r) && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
}

// isUUID reports whether text has the shape of a UUID, with which a product
// could be mistaken for another one's id.
func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}
