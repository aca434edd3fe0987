package format

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"stoa/modules/catalog"
	"stoa/platform/money"
)

// Fault is something in a product that will not do.
type Fault struct {
	Field Field
	// Index is that of the tag, category, image, option or variant; 0 for the
	// fields of the product itself.
	Index int
	// Message says what is wrong, for people.
	Message string
}

// Path names the place as JSON has it, such as "variants[0].price".
func (f Fault) Path() string {
	path := memberPaths[f.Field]
	return strings.Replace(path, "[]", fmt.Sprintf("[%d]", f.Index), 1)
}

// memberPaths are the places of the fields in JSON.
var memberPaths = [fieldCount]string{
	FieldSlug:              "slug",
	FieldTitle:             "title",
	FieldDescription:       "description",
	FieldStatus:            "status",
	FieldVendor:            "vendor",
	FieldProductType:       "product_type",
	FieldTags:              "tags[]",
	FieldCategories:        "categories[]",
	FieldImages:            "images[].url",
	FieldImageAlt:          "images[].alt",
	FieldImagePosition:     "images[].position",
	FieldOptions:           "options[]",
	FieldVariants:          "variants",
	FieldSKU:               "variants[].sku",
	FieldVariantTitle:      "variants[].title",
	FieldVariantOptions:    "variants[].options",
	FieldPrice:             "variants[].price",
	FieldCurrency:          "variants[].currency",
	FieldCompareAtPrice:    "variants[].compare_at_price",
	FieldCompareAtCurrency: "variants[].compare_at_currency",
	FieldBarcode:           "variants[].barcode",
	FieldWeight:            "variants[].weight_grams",
	FieldPosition:          "variants[].position",
	FieldQuantity:          "variants[].quantity",
}

// Check gives what keeps p from being a product: texts that are missing, too
// long or hold control characters, amounts below zero, SKUs that stand twice.
// It does not ask whether categories exist or how variants and options match
// beyond their names. A Reader has checked what it gives without errors.
func (p *Product) Check() []Fault {
	c := checker{}
	c.of(p)
	return c.faults
}

type checker struct{ faults []Fault }

func (c *checker) fault(f Field, index int, message string) {
	if message != "" && len(c.faults) < MaxRowErrors {
		c.faults = append(c.faults, Fault{f, index, message})
	}
}

func (c *checker) of(p *Product) {
	c.fault(FieldSlug, 0, checkSlug(p.Slug))
	c.fault(FieldTitle, 0, required(p.Title, MaxTitle))
	c.fault(FieldDescription, 0, checkDescription(p.Description))
	c.fault(FieldStatus, 0, checkStatus(p.Status))
	c.fault(FieldVendor, 0, checkLine(p.Vendor, MaxName))
	c.fault(FieldProductType, 0, checkLine(p.ProductType, MaxName))

	c.most(FieldTags, len(p.Tags), MaxTags)
	for i, tag := range p.Tags {
		c.fault(FieldTags, i, required(tag, MaxName))
	}
	c.most(FieldCategories, len(p.Categories), MaxCategories)
	for i, path := range p.Categories {
		c.fault(FieldCategories, i, checkPath(path))
	}
	c.most(FieldImages, len(p.Images), MaxImages)
	for i, image := range p.Images {
		c.fault(FieldImages, i, checkURL(image.URL))
		c.fault(FieldImageAlt, i, checkText(image.Alt, MaxAlt))
		c.fault(FieldImagePosition, i, between(image.Position, MaxPosition))
	}
	c.options(p.Options)
	c.variants(p)
}

func (c *checker) options(options []catalog.Option) {
	c.most(FieldOptions, len(options), MaxOptions)
	for i, o := range options {
		c.fault(FieldOptions, i, required(o.Name, MaxName))
		for _, before := range options[:i] {
			if before.Name == o.Name {
				c.fault(FieldOptions, i, "has the same name as an option before it")
				break
			}
		}
		c.most(FieldOptions, len(o.Values), MaxVariants)
		for _, value := range o.Values {
			c.fault(FieldOptions, i, required(value, MaxName))
		}
	}
}

func (c *checker) variants(p *Product) {
	c.most(FieldVariants, len(p.Variants), MaxVariants)
	skus := make(map[string]struct{}, len(p.Variants))
	for i := range p.Variants {
		v := &p.Variants[i]
		c.fault(FieldSKU, i, checkSKU(v.SKU))
		if _, twice := skus[v.SKU]; twice && v.SKU != "" {
			c.fault(FieldSKU, i, fmt.Sprintf("%q is the SKU of a variant before it too", clip(v.SKU)))
		}
		skus[v.SKU] = struct{}{}
		c.fault(FieldVariantTitle, i, checkLine(v.Title, MaxTitle))
		c.fault(FieldVariantOptions, i, checkValues(p.Options, v.Options))
		c.fault(FieldPrice, i, checkPrice(v.Price))
		if v.CompareAtPrice != nil {
			c.fault(FieldCompareAtPrice, i, checkPrice(*v.CompareAtPrice))
		}
		c.fault(FieldBarcode, i, checkLine(v.Barcode, MaxBarcode))
		c.fault(FieldWeight, i, between(v.WeightGrams, MaxWeight))
		c.fault(FieldPosition, i, between(v.Position, MaxPosition))
		if v.Quantity != nil && *v.Quantity < 0 {
			c.fault(FieldQuantity, i, "must not be below 0")
		}
	}
}

func (c *checker) most(f Field, n, most int) {
	if n > most {
		c.fault(f, most, fmt.Sprintf("there are more than %d", most))
	}
}

// What follows gives what is wrong with one value, or "".

const missing = "is missing"

func checkSlug(slug string) string {
	if slug == "" {
		return missing
	}
	if message := checkLine(slug, MaxSlug); message != "" {
		return message
	}
	for _, r := range slug {
		if !slugRune(r) {
			return fmt.Sprintf("may hold small letters, digits, - and _, but not %q", r)
		}
	}
	if isUUID(slug) {
		return "has the shape of an id"
	}
	return ""
}

func checkStatus(status string) string {
	switch status {
	case catalog.StatusDraft, catalog.StatusActive, catalog.StatusArchived:
		return ""
	}
	return "must be draft, active or archived"
}

func checkDescription(text string) string {
	if len(text) > MaxDescription {
		return tooLong(MaxDescription, "bytes")
	}
	return checkText(text, MaxDescription)
}

func checkSKU(sku string) string {
	if message := required(sku, MaxSKU); message != "" {
		return message
	}
	if strings.TrimSpace(sku) != sku {
		return "begins or ends with a space"
	}
	return ""
}

func checkPath(path string) string {
	if message := required(path, MaxPath); message != "" {
		return message
	}
	for slug := range strings.SplitSeq(path, "/") {
		if message := checkSlug(slug); message != "" {
			return fmt.Sprintf("is not slugs joined by /: %q %s", clip(slug), message)
		}
	}
	return ""
}

// checkURL wants what a page can show as an image: an http or https URL, or a
// path on this server.
func checkURL(text string) string {
	if message := required(text, MaxURL); message != "" {
		return message
	}
	if strings.ContainsFunc(text, unicode.IsSpace) {
		return "holds a space"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(text, "/"):
		return ""
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "is not an http or https URL"
	}
	return ""
}

func checkValues(options []catalog.Option, values map[string]string) string {
	named := 0
	for _, o := range options {
		value, ok := values[o.Name]
		if !ok {
			continue
		}
		named++
		if message := required(value, MaxName); message != "" {
			return fmt.Sprintf("the value of %q %s", clip(o.Name), message)
		}
	}
	if named < len(values) {
		return "names an option that the product does not have"
	}
	return ""
}

func checkPrice(m money.Money) string {
	switch {
	case m.Check() != nil:
		return fmt.Sprintf("there is no currency with the code %q", clip(m.Currency))
	case m.IsNegative():
		return "must not be below 0"
	}
	return ""
}

func between(n, most int64) string {
	if n < 0 || n > most {
		return fmt.Sprintf("must be between 0 and %d", most)
	}
	return ""
}

// required checks a line of text that is not blank.
func required(text string, most int) string {
	if strings.TrimSpace(text) == "" {
		return missing
	}
	return checkLine(text, most)
}

// checkLine checks text without line breaks.
func checkLine(text string, most int) string {
	return checkCharacters(text, most, false)
}

// checkText checks text that may have line breaks and tabs.
func checkText(text string, most int) string {
	return checkCharacters(text, most, true)
}

func checkCharacters(text string, most int, breaks bool) string {
	ascii := true
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			ascii = false
		} else if c < ' ' && !(breaks && (c == '\n' || c == '\r' || c == '\t')) || c == 0x7f {
			return controlCharacter(rune(c))
		}
	}
	length := len(text)
	if !ascii {
		if !utf8.ValidString(text) {
			return notUTF8
		}
		for _, r := range text {
			if 0x80 <= r && r < 0xa0 {
				return controlCharacter(r)
			}
		}
		length = utf8.RuneCountInString(text)
	}
	if length > most {
		return tooLong(most, "characters")
	}
	return ""
}

const notUTF8 = "is not UTF-8 text"

func controlCharacter(r rune) string { return fmt.Sprintf("holds the control character %U", r) }

func tooLong(most int, unit string) string { return fmt.Sprintf("is longer than %d %s", most, unit) }
