package rest

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/web"
)

type image struct {
	URL      string              `json:"url" minLength:"1" maxLength:"2048" doc:"http, https, or a path on this server."`
	Alt      string              `json:"alt,omitempty" maxLength:"2000"`
	Position web.Optional[int64] `json:"position,omitzero" minimum:"0" doc:"Last where it is left out."`
}

type option struct {
	Name   string   `json:"name" minLength:"1" maxLength:"255"`
	Values []string `json:"values,omitempty" maxItems:"2048" doc:"Those that variants have are added."`
}

type newProduct struct {
	Slug        string       `json:"slug,omitempty" maxLength:"255" doc:"Made from the title where it is left out. Small letters, digits, - and _."`
	Title       string       `json:"title" minLength:"1" maxLength:"500"`
	Description string       `json:"description,omitempty" doc:"HTML or plain text, at most 1 MiB."`
	Status      string       `json:"status,omitempty" enum:"draft,active,archived" default:"draft" doc:"Customers see active products."`
	Vendor      string       `json:"vendor,omitempty" maxLength:"255"`
	ProductType string       `json:"product_type,omitempty" maxLength:"255"`
	Tags        []string     `json:"tags,omitempty" maxItems:"250"`
	CategoryIDs []string     `json:"category_ids,omitempty" maxItems:"100"`
	Images      []image      `json:"images,omitempty" maxItems:"1000"`
	Options     []option     `json:"options,omitempty" maxItems:"20" doc:"Those that variants have are added."`
	Variants    []newVariant `json:"variants,omitempty" maxItems:"2048"`
}

type createProduct struct {
	Body newProduct
}

type productPatch struct {
	Slug        web.Optional[string]   `json:"slug,omitzero" minLength:"1" maxLength:"255"`
	Title       web.Optional[string]   `json:"title,omitzero" minLength:"1" maxLength:"500"`
	Description web.Optional[string]   `json:"description,omitzero"`
	Status      web.Optional[string]   `json:"status,omitzero" enum:"draft,active,archived"`
	Vendor      web.Optional[string]   `json:"vendor,omitzero" maxLength:"255"`
	ProductType web.Optional[string]   `json:"product_type,omitzero" maxLength:"255"`
	Tags        web.Optional[[]string] `json:"tags,omitzero" maxItems:"250"`
	CategoryIDs web.Optional[[]string] `json:"category_ids,omitzero" maxItems:"100"`
	Images      web.Optional[[]image]  `json:"images,omitzero" maxItems:"1000"`
	Options     web.Optional[[]option] `json:"options,omitzero" maxItems:"20"`
}

type patchProduct struct {
	web.IfMatch
	ID   string `path:"id" doc:"Id or slug."`
	Body productPatch
}

type oneProduct struct {
	ID string `path:"id" doc:"Id or slug."`
}

type deleteProduct struct {
	web.IfMatch
	ID string `path:"id" doc:"Id or slug."`
}

// noMaxPrice is the greatest integer that every reader of JSON has (RFC 8259 §6).
const noMaxPrice = 1<<53 - 1

type listProducts struct {
	web.Page
	Text     string `query:"q" maxLength:"200" doc:"Words of title, description, vendor, tags and SKU. All must be there; the last may be the beginning of one."`
	Category string `query:"category" maxLength:"1000" doc:"A path, or else a slug. What lies below it is included."`
	Tag      string `query:"tag" maxLength:"255"`
	Vendor   string `query:"vendor" maxLength:"255"`
	SKU      string `query:"sku" maxLength:"255"`
	Status   string `query:"status" enum:"draft,active,archived" doc:"For staff: customers see active products only."`
	MinPrice int64  `query:"min_price" minimum:"0" doc:"Minor units of currency. A product is shown where a variant of it costs that or more, and not more than max_price."`
	MaxPrice int64  `query:"max_price" minimum:"0" maximum:"9007199254740991" default:"9007199254740991" doc:"Minor units of currency. The greatest value is no limit."`
	Currency string `query:"currency" maxLength:"3" doc:"ISO 4217. The shop's own where it is left out and there is a price. Without a price it shows what has one in it."`
	InStock  string `query:"in_stock" enum:"true,false" doc:"true shows what something is available of, false the rest."`
	Sort     string `query:"sort" enum:"created_at,-created_at,price,-price,title,relevance" doc:"The newest first where it is left out; with q, by relevance. A product's price is the lowest of its variants."`
}

// productAnswer is a product as whoever asks may see it.
type productAnswer struct {
	Location string   `header:"Location"`
	ETag     web.ETag `header:"ETag"`
	Body     productBody
}

// productBody is a product, or the JSON of one.
type productBody struct {
	product catalog.Product
	text    []byte
}

// JSON gives the text where there is one.
func (b productBody) JSON() []byte { return b.text }

// MarshalJSONTo writes the product.
func (b productBody) MarshalJSONTo(e *jsontext.Encoder) error {
	if b.text != nil {
		return e.WriteValue(b.text)
	}
	return json.MarshalEncode(e, b.product)
}

// Schema is that of a product.
func (productBody) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[catalog.Product](), true, "Product")
}

type productList struct {
	Body productListBody
}

// productListBody is a page of products, or of the JSON of some.
type productListBody struct {
	products []catalog.Product
	views    []*service.View
	next     string
}

// MarshalJSONTo writes the page.
func (b productListBody) MarshalJSONTo(e *jsontext.Encoder) error {
	if text := b.JSON(); text != nil {
		return e.WriteValue(text)
	}
	return json.MarshalEncode(e, web.List[catalog.Product]{Items: b.products, NextCursor: b.next})
}

// JSON gives the text of the page where it is one of texts.
func (b productListBody) JSON() []byte {
	if b.views == nil {
		return nil
	}
	size := 64 + len(b.next)
	for _, v := range b.views {
		size += len(v.JSON) + 1
	}
	text := append(make([]byte, 0, size), `{"items":[`...)
	for i, v := range b.views {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, v.JSON...)
	}
	text = append(text, ']')
	if b.next != "" {
		text = append(text, `,"next_cursor":"`+b.next+`"`...) // base64url needs no escapes
	}
	return append(text, '}')
}

// Schema is that of a list of products.
func (productListBody) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[web.List[catalog.Product]](), true, "ProductList")
}

func (h routes) registerProducts() {
	web.Register(h.router, web.Operation{
		ID: "list-products", Method: http.MethodGet, Path: "/products", Summary: "Products",
		Description: "Staff see all products with all of their stock, customers the active ones and what is available.",
	}, h.listProducts)
	web.Register(h.router, web.Operation{
		ID: "get-product", Method: http.MethodGet, Path: "/products/{id}", Summary: "A product",
		Errors: []*errs.Error{catalog.ErrProductNotFound},
	}, h.getProduct)
	web.Register(h.router, web.Operation{
		ID: "create-product", Method: http.MethodPost, Path: "/products", Access: web.Staff, Status: http.StatusCreated,
		Summary: "Add a product", Errors: []*errs.Error{catalog.ErrSlugTaken, catalog.ErrSKUTaken},
	}, h.createProduct)
	web.Register(h.router, web.Operation{
		ID: "update-product", Method: http.MethodPatch, Path: "/products/{id}", Access: web.Staff, Summary: "Change a product",
		Description: "A JSON Merge Patch (RFC 7396). Variants have addresses of their own.",
		Errors:      []*errs.Error{catalog.ErrProductNotFound, catalog.ErrSlugTaken, web.ErrPreconditionFailed},
	}, h.updateProduct)
	web.Register(h.router, web.Operation{
		ID: "delete-product", Method: http.MethodDelete, Path: "/products/{id}", Access: web.Staff, Summary: "Archive a product",
		Description: "Customers no longer see it. Nothing of it is lost.",
		Errors:      []*errs.Error{catalog.ErrProductNotFound, web.ErrPreconditionFailed},
	}, h.deleteProduct)
}

func (h routes) listProducts(ctx context.Context, in *listProducts) (*productList, error) {
	q := service.ListQuery{
		Text: in.Text, Category: in.Category, Tag: in.Tag, Vendor: in.Vendor, SKU: in.SKU, Status: in.Status,
		Currency: in.Currency, Sort: in.Sort, Limit: in.Limit,
	}
	if in.MinPrice > 0 {
		q.MinPrice = &in.MinPrice
	}
	if in.MaxPrice < noMaxPrice {
		q.MaxPrice = &in.MaxPrice
	}
	if in.InStock != "" {
		inStock := in.InStock == "true"
		q.InStock = &inStock
	}
	seesAll := staff(ctx)
	cursors := h.router.Cursors("products", seesAll, in.Text, in.Category, in.Tag, in.Vendor, in.SKU, in.Status, in.MinPrice, in.MaxPrice,
		in.Currency, in.InStock, in.Sort)
	if err := cursors.Decode(in.Cursor, &q.After); err != nil {
		return nil, err
	}
	var (
		body productListBody
		next *service.Position
		err  error
	)
	if seesAll {
		body.products, next, err = h.service.ListProducts(ctx, q)
	} else {
		body.views, next, err = h.service.ListViews(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	if next != nil {
		body.next = cursors.Encode(next)
	}
	return &productList{body}, nil
}

func (h routes) getProduct(ctx context.Context, in *oneProduct) (*productAnswer, error) {
	if staff(ctx) {
		return product(h.service.GetProduct(ctx, in.ID))
	}
	view, err := h.service.ViewProduct(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &productAnswer{ETag: web.Version(view.Version), Body: productBody{text: view.JSON}}, nil
}

func (h routes) createProduct(ctx context.Context, in *createProduct) (*productAnswer, error) {
	b := in.Body
	n := service.NewProduct{
		Slug: b.Slug, Title: b.Title, Description: b.Description, Status: b.Status, Vendor: b.Vendor, ProductType: b.ProductType,
		Tags: b.Tags, CategoryIDs: b.CategoryIDs, Images: images(b.Images), Options: options(b.Options),
	}
	for _, v := range b.Variants {
		n.Variants = append(n.Variants, v.variant())
	}
	answer, err := product(h.service.CreateProduct(ctx, n))
	if err == nil {
		answer.Location = location("products", answer.Body.product.ID)
	}
	return answer, err
}

func (h routes) updateProduct(ctx context.Context, in *patchProduct) (*productAnswer, error) {
	b := in.Body
	p := service.ProductPatch{
		Description: removable(b.Description), Vendor: removable(b.Vendor), ProductType: removable(b.ProductType),
		Tags: removable(b.Tags), CategoryIDs: removable(b.CategoryIDs),
	}
	var err error
	if p.Slug, err = kept("slug", b.Slug); err != nil {
		return nil, err
	}
	if p.Title, err = kept("title", b.Title); err != nil {
		return nil, err
	}
	if p.Status, err = kept("status", b.Status); err != nil {
		return nil, err
	}
	if b.Images.Set {
		list := images(b.Images.Value)
		p.Images = &list
	}
	if b.Options.Set {
		list := options(b.Options.Value)
		p.Options = &list
	}
	return product(h.service.PatchProduct(ctx, in.ID, p, in.Check))
}

func (h routes) deleteProduct(ctx context.Context, in *deleteProduct) (*struct{}, error) {
	return nil, h.service.ArchiveProduct(ctx, in.ID, in.Check)
}

// product is the answer of a call that gives a product.
func product(p catalog.Product, err error) (*productAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &productAnswer{ETag: web.Version(p.Version), Body: productBody{product: p}}, nil
}

func images(list []image) []service.NewImage {
	images := make([]service.NewImage, len(list))
	for i, m := range list {
		images[i] = service.NewImage{URL: m.URL, Alt: m.Alt, Position: given(m.Position)}
	}
	return images
}

func options(list []option) []catalog.Option {
	options := make([]catalog.Option, len(list))
	for i, o := range list {
		options[i] = catalog.Option{Name: o.Name, Values: o.Values}
	}
	return options
}

// given gives an optional value where there is one.
func given[T any](o web.Optional[T]) *T {
	if !o.Set || o.Null {
		return nil
	}
	return &o.Value
}
