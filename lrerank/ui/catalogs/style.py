"""What the page adds to the looks that all pages share."""

STYLE = """<style>
.st-key-data-catalog [role=radiogroup]{gap:.35rem;width:100%}
.st-key-data-catalog [role=radiogroup]>div{position:relative;box-sizing:border-box;width:100%;padding:.4rem .7rem .45rem;
border-radius:.5rem;border:1px solid rgba(128,128,128,.24)}
.st-key-data-catalog [role=radiogroup]>div:hover{border-color:rgba(59,130,196,.7)}
.st-key-data-catalog [role=radiogroup]>div[data-selected]{border-color:#3b82c4;background:rgba(59,130,196,.12)}
.st-key-data-catalog label::after{content:"";position:absolute;inset:0}
.st-key-data-catalog label[data-testid=stRadioOption] p{font-weight:600;overflow-wrap:anywhere}
.lr-data-title{display:flex;flex-wrap:wrap;gap:.35rem .6rem;align-items:center}
.lr-data-title h2{padding:0;margin:0 .3rem 0 0;font-size:1.35rem}
.lr-facts-row{display:flex;flex-wrap:wrap;gap:.5rem 2.2rem;margin:.2rem 0}
.lr-fact b{display:block;font-size:1.3rem;line-height:1.3;font-variant-numeric:tabular-nums}
.lr-fact span{font-size:.84rem;opacity:.72}
.lr-empty{border:1px dashed rgba(128,128,128,.5);border-radius:.6rem;padding:.8rem .9rem;line-height:1.45}
.lr-empty b{display:block;margin-bottom:.15rem}
.lr-card-table{border-collapse:collapse;font-size:.95rem}
.lr-card-table th{text-align:left;font-weight:600;padding:.3rem 1.4rem .3rem 0;vertical-align:top;white-space:nowrap}
.lr-card-table td{padding:.3rem 0;line-height:1.45;max-width:52rem}
</style>"""
