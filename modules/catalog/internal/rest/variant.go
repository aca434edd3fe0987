package rest

import (
	"context"
	"net/http"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/money"
	"stoa/platform/web"
)

type newVariant struct {
	SKU            string                    `json:"sku,omitempty" maxLength:"255" doc:"Unique in the shop. Made from the product's slug and the options where it is left out."`
	Title          web.Optional[string]      `json:"title,omitzero" maxLength:"500" doc:"The values of the options where it is left out."`
	Options        map[string]string         `json:"options,omitempty" example:"{\"Size\": \"M\"}"`
	Price          money.Money               `json:"price"`
	CompareAtPrice web.Optional[money.Money] `json:"compare_at_price,omitzero" doc:"What it cost before. In the currency of the price."`
	Barcode        string                    `json:"barcode,omitempty" maxLength:"255"`
	WeightGrams    int64                     `json:"weight_grams,omitempty" minimum:"0" maximum:"1000000000"`
	Position       web.Optional[int64]       `json:"position,omitzero" minimum:"0" maximum:"1000000000" doc:"Last where it is left out."`
}

func (v newVariant) variant() service.NewVariant {
	return service.NewVariant{
		SKU: v.SKU, Title: given(v.Title), Options: v.Options, Price: v.Price, CompareAtPrice: given(v.CompareAtPrice),
		Barcode: v.Barcode, WeightGrams: v.WeightGrams, Position: given(v.Position),
	}
}

type createVariant struct {
	web.IfMatch
	ID   string `path:"id" doc:"Id or slug of the product."`
	Body newVariant
}

type patchVariant struct {
	web.IfMatch
	ID   string `path:"id" doc:"Id or slug of the product."`
	SKU  string `path:"sku"`
	Body struct {
		Title          web.Optional[string]            `json:"title,omitzero" maxLength:"500"`
		Options        web.Optional[map[string]string] `json:"options,omitzero"`
		Price          web.Optional[money.Money]       `json:"price,omitzero"`
		CompareAtPrice web.Optional[money.Money]       `json:"compare_at_price,omitzero"`
		Barcode        web.Optional[string]            `json:"barcode,omitzero" maxLength:"255"`
		WeightGrams    web.Optional[int64]             `json:"weight_grams,omitzero" minimum:"0" maximum:"1000000000"`
		Position       web.Optional[int64]             `json:"position,omitzero" minimum:"0" maximum:"1000000000"`
	}
}

type deleteVariant struct {
	web.IfMatch
	ID  string `path:"id" doc:"Id or slug of the product."`
	SKU string `path:"sku"`
}

// variantAnswer is a variant. Its ETag has the version of the product, which is
// what If-Match is held against.
type variantAnswer struct {
	ETag web.ETag `header:"ETag"`
	Body catalog.Variant
}

func (h routes) registerVariants() {
	web.Register(h.router, web.Operation{
		ID: "create-variant", Method: http.MethodPost, Path: "/products/{id}/variants", Access: web.Staff, Status: http.StatusCreated,
		Summary: "Add a variant", Errors: []*errs.Error{catalog.ErrProductNotFound, catalog.ErrSKUTaken, web.ErrPreconditionFailed},
	}, h.createVariant)
	web.Register(h.router, web.Operation{
		ID: "update-variant", Method: http.MethodPatch, Path: "/products/{id}/variants/{sku}", Access: web.Staff, Summary: "Change a variant",
		Description: "A JSON Merge Patch (RFC 7396). A SKU never changes: stock and orders know the variant by it.",
		Errors:      []*errs.Error{catalog.ErrProductNotFound, catalog.ErrVariantNotFound, web.ErrPreconditionFailed},
	}, h.updateVariant)
	web.Register(h.router, web.Operation{
		ID: "delete-variant", Method: http.MethodDelete, Path: "/products/{id}/variants/{sku}", Access: web.Staff, Summary: "Delete a variant",
		Description: "Its stock and its ledger stay; a variant that gets the SKU again gets them too.",
		Errors:      []*errs.Error{catalog.ErrProductNotFound, catalog.ErrVariantNotFound, web.ErrPreconditionFailed},
	}, h.deleteVariant)
}

func (h routes) createVariant(ctx context.Context, in *createVariant) (*variantAnswer, error) {
	return variant(h.service.AddVariant(ctx, in.ID, in.Body.variant(), in.Check))
}

func (h routes) updateVariant(ctx context.Context, in *patchVariant) (*variantAnswer, error) {
	b := in.Body
	p := service.VariantPatch{
		Title: removable(b.Title), Options: removable(b.Options), CompareAtPrice: given(b.CompareAtPrice), NoCompareAtPrice: b.CompareAtPrice.Null,
		Barcode: removable(b.Barcode), WeightGrams: removable(b.WeightGrams),
	}
	var err error
	if p.Price, err = kept("price", b.Price); err != nil {
		return nil, err
	}
	if p.Position, err = kept("position", b.Position); err != nil {
		return nil, err
	}
	return variant(h.service.PatchVariant(ctx, in.ID, in.SKU, p, in.Check))
}

func (h routes) deleteVariant(ctx context.Context, in *deleteVariant) (*struct{}, error) {
	return nil, h.service.DeleteVariant(ctx, in.ID, in.SKU, in.Check)
}

// variant is the answer of a call that gives a variant and its product's version.
func variant(v catalog.Variant, version int64, err error) (*variantAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &variantAnswer{ETag: web.Version(version), Body: v}, nil
}
