package format

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"stoa/modules/catalog"
	"stoa/platform/money"
)

// jsonProduct reads one product of a JSON file.
type jsonProduct struct {
	jsonMembers
	currency string // of prices that name none
	given    Fields // the members of the product that stand in the file
	variants []jsonVariant
	flat     jsonVariant // of members that stand in the product itself
	isFlat   bool
	named    []catalog.Option // the options that variants name
}

// jsonVariant is a variant whose prices wait for their currencies, which may
// stand behind them.
type jsonVariant struct {
	Variant
	given          Fields
	price, compare jsonAmount
	currency       string // of price
	compareIn      string // the currency of compare
}

// jsonAmount is a price as it stands in the file.
type jsonAmount struct {
	given bool
	major string      // in major units, or else
	minor money.Money // in minor units
}

// memberNames are other names of members; those for "" are ignored.
var memberNames = map[string]string{
	"handle": "slug", "name": "title", "brand": "vendor", "type": "product_type",
	"id": "", "version": "", "created_at": "", "updated_at": "",
}

// ownNames are the names of objects whose members have no others.
var ownNames = map[string]string{}

// read reads a product from the JSON of one.
func (j *jsonProduct) read(value jsontext.Value, row int, o Options) Record {
	if j.dec == nil {
		j.dec = new(jsontext.Decoder)
	}
	j.dec.Reset(bytes.NewReader(value))
	*j = jsonProduct{currency: o.Currency, jsonMembers: jsonMembers{dec: j.dec}}
	record := Record{First: row, Last: row, Rows: 1}
	p := &record.Product
	isObject, err := j.object(at{}, memberNames, func(name string) (bool, error) { return j.productMember(p, name) })
	switch {
	case err != nil:
		j.broken(err)
	case !isObject:
		j.fault("", "must be an object")
	default:
		j.complete(p)
		j.check(p)
	}
	p.normalize(nil)
	for range p.Variants {
		record.VariantRows = append(record.VariantRows, row)
	}
	for _, fault := range j.faults {
		record.Errors = append(record.Errors, RowError{row, fault.path, fault.message})
	}
	return record
}

func (j *jsonProduct) productMember(p *Product, name string) (known bool, err error) {
	here := at{name: name, index: none}
	switch name {
	case "slug":
		p.Slug, err = j.text(here)
	case "title":
		p.Title, err = j.text(here)
	case "description":
		j.given |= FieldsOf(FieldDescription)
		p.Description, err = j.text(here)
	case "status":
		j.given |= FieldsOf(FieldStatus)
		p.Status, err = j.text(here)
	case "vendor":
		j.given |= FieldsOf(FieldVendor)
		p.Vendor, err = j.text(here)
	case "product_type":
		j.given |= FieldsOf(FieldProductType)
		p.ProductType, err = j.text(here)
	case "tags":
		j.given |= FieldsOf(FieldTags)
		p.Tags, err = j.texts(here)
	case "categories":
		j.given |= FieldsOf(FieldCategories)
		_, err = j.list(here, func(i int) error {
			path, err := j.category(i)
			p.Categories = append(p.Categories, path)
			return err
		})
	case "images":
		j.given |= FieldsOf(FieldImages)
		_, err = j.list(here, func(i int) error {
			image, err := j.image(i, p.Images)
			p.Images = append(p.Images, image)
			return err
		})
	case "options":
		_, err = j.list(here, func(i int) error {
			option, err := j.option(i)
			p.Options = append(p.Options, option)
			return err
		})
		j.given |= FieldsOf(FieldOptions)
	case "variants":
		j.given |= FieldsOf(FieldVariants)
		_, err = j.list(here, j.variant)
	case "currency":
		j.flat.currency, err = j.text(here)
	case "sku", "price", "compare_at_price", "compare_at_currency", "barcode", "weight_grams", "quantity", "stock":
		j.isFlat = true
		return j.variantMember(&j.flat, at{index: none}, name)
	default:
		return false, nil
	}
	return true, err
}

// category reads a path, or an object that has one as the API shows it.
func (j *jsonProduct) category(i int) (path string, err error) {
	here := at{name: "categories", index: i}
	if j.dec.PeekKind() != '{' {
		return j.text(here)
	}
	_, err = j.object(here, memberNames, func(name string) (bool, error) {
		var err error
		switch name {
		case "path":
			path, err = j.text(here.member(name))
		case "slug", "title":
			err = j.dec.SkipValue()
		default:
			return false, nil
		}
		return true, err
	})
	return path, err
}

// image reads an image, or the URL of one, that comes after those before it.
func (j *jsonProduct) image(i int, before []catalog.Image) (image catalog.Image, err error) {
	here := at{name: "images", index: i}
	image.Position = 1
	if len(before) > 0 {
		image.Position = before[len(before)-1].Position + 1
	}
	if j.dec.PeekKind() == '"' {
		image.URL, err = j.text(here)
		return image, err
	}
	_, err = j.object(here, ownNames, func(name string) (bool, error) {
		var err error
		switch name {
		case "url":
			image.URL, err = j.text(here.member(name))
		case "alt":
			image.Alt, err = j.text(here.member(name))
		case "position":
			err = j.position(here.member(name), &image.Position)
		default:
			return false, nil
		}
		return true, err
	})
	return image, err
}

func (j *jsonProduct) option(i int) (option catalog.Option, err error) {
	here := at{name: "options", index: i}
	_, err = j.object(here, ownNames, func(name string) (bool, error) {
		var err error
		switch name {
		case "name":
			option.Name, err = j.text(here.member(name))
		case "values":
			option.Values, err = j.texts(here.member(name))
		default:
			return false, nil
		}
		return true, err
	})
	return option, err
}

func (j *jsonProduct) variant(i int) error {
	here := at{name: "variants", index: i}.written()
	v := jsonVariant{}
	v.Position = 1
	if n := len(j.variants); n > 0 {
		v.Position = j.variants[n-1].Position + 1
	}
	_, err := j.object(here, memberNames, func(name string) (bool, error) {
		return j.variantMember(&v, here, name)
	})
	j.variants = append(j.variants, v)
	return err
}

func (j *jsonProduct) variantMember(v *jsonVariant, parent at, name string) (known bool, err error) {
	here := parent.member(name)
	switch name {
	case "sku":
		v.SKU, err = j.text(here)
	case "title":
		v.given |= FieldsOf(FieldVariantTitle)
		v.Title, err = j.text(here)
	case "options":
		v.Options, err = j.values(here)
	case "price":
		v.price, err = j.amount(here)
	case "currency":
		v.currency, err = j.text(here)
	case "compare_at_price":
		v.given |= FieldsOf(FieldCompareAtPrice)
		v.compare, err = j.amount(here)
	case "compare_at_currency":
		v.compareIn, err = j.text(here)
	case "barcode":
		v.given |= FieldsOf(FieldBarcode)
		v.Barcode, err = j.text(here)
	case "weight_grams":
		v.given |= FieldsOf(FieldWeight)
		v.WeightGrams, _, err = j.whole(here)
	case "position":
		v.given |= FieldsOf(FieldPosition)
		err = j.position(here, &v.Position)
	case "quantity":
		v.given |= FieldsOf(FieldQuantity)
		err = j.quantity(here, v)
	case "stock":
		v.given |= FieldsOf(FieldQuantity)
		_, err = j.object(here, ownNames, func(name string) (bool, error) {
			switch name {
			case "on_hand":
				return true, j.quantity(here.member(name), v)
			case "reserved", "available":
				return true, j.dec.SkipValue()
			}
			return false, nil
		})
	default:
		return false, nil
	}
	return true, err
}

func (j *jsonProduct) quantity(here at, v *jsonVariant) error {
	n, given, err := j.whole(here)
	if given {
		v.Quantity = &n
	}
	return err
}

func (j *jsonProduct) position(here at, to *int64) error {
	n, given, err := j.whole(here)
	if given {
		*to = n
		j.fault(here.String(), between(n, MaxPosition))
	}
	return err
}

// values reads a variant's options, and notes them in their order.
func (j *jsonProduct) values(here at) (map[string]string, error) {
	if j.dec.PeekKind() != '{' {
		_, err := j.object(here, ownNames, nil) // null, or not an object at all
		return nil, err
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return nil, err
	}
	var values map[string]string
	for j.dec.PeekKind() != '}' {
		token, err := j.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		if j.dec.PeekKind() == 'n' { // null: no value of this option
			if err := j.dec.SkipValue(); err != nil {
				return nil, err
			}
			continue
		}
		value, err := j.text(here.member(name))
		if err != nil {
			return nil, err
		}
		if values == nil {
			values = map[string]string{}
		}
		values[name] = value
		i := slices.IndexFunc(j.named, func(o catalog.Option) bool { return o.Name == name })
		if i < 0 {
			i, j.named = len(j.named), append(j.named, catalog.Option{Name: name})
		}
		j.named[i].Values = append(j.named[i].Values, value)
	}
	_, err := j.dec.ReadToken()
	return values, err
}

// amount reads a price: an object in minor units, or a number or text in major
// ones.
func (j *jsonProduct) amount(here at) (a jsonAmount, err error) {
	switch j.dec.PeekKind() {
	case '"', '0':
		token, err := j.dec.ReadToken()
		if err != nil {
			return a, err
		}
		a = jsonAmount{given: true, major: token.String()}
		if a.major == "" {
			a.given = false
		}
		return a, nil
	case '{', 'n':
	default:
		j.fault(here.String(), `must be an amount such as {"amount":1999,"currency":"USD"} or 19.99`)
		return a, j.dec.SkipValue()
	}
	counted := false
	a.given, err = j.object(here, ownNames, func(name string) (bool, error) {
		var err error
		switch name {
		case "amount":
			a.minor.Amount, counted, err = j.whole(here.member(name))
		case "currency":
			a.minor.Currency, err = j.text(here.member(name))
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && a.given && !counted {
		j.fault(here.member("amount").String(), missing)
	}
	return a, err
}
