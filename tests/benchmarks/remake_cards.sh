#!/bin/sh
# Makes the thresholds, surfaces, reports and quoted results of the bundled cards again, e.g. after a change to how faces
# are found or poses estimated. The weights and their descriptor means stay as they are.
#
#     sh tests/benchmarks/remake_cards.sh RAW_DATA OUT [WEIGHTS [REPORTS]]
#
# RAW_DATA holds cfp-dataset, lfw-deepfunneled and frmdb. OUT gets the datasets (kept if there) and the reports; embeddings
# are cached in the datasets. WEIGHTS (sfpn/weights) gets the cards, REPORTS (demo/assets/reports) the reports of the app.
set -eu
raw=$1 out=$2 weights=${3:-sfpn/weights} reports=${4:-demo/assets/reports}
models="base depthwise"

step() { echo "$(date +%T) $*"; }

quote() { # the reports of a model that are there into its card
    python -m sfpn calibrate "$weights/$1.safetensors" --report $(ls -d "$reports/cfp-$1" "$reports/cfp-templates-$1" \
        "$reports/synthetic-$1" 2>/dev/null)
}

step build
for name in cfp:cfp-dataset lfw:lfw-deepfunneled frmdb:frmdb; do
    kind=${name%%:*}
    [ -d "$out/$kind" ] || python -m data_tools build "$kind" "$raw/${name#*:}" --out "$out/$kind" --workers 2
done

for model in $models; do
    file="$weights/$model.safetensors"
    step "$model: thresholds by pose pair"
    python -m sfpn calibrate "$file" --set-on "$out/cfp:validation" "$out/lfw:validation" \
        --measure-on "$out/cfp:test" "$out/lfw:test"
    step "$model: operating surface"
    python -m sfpn calibrate "$file" --surface \
        --set-on "$out/cfp:validation+train" "$out/lfw:validation" "$out/frmdb:validation" \
        --measure-on "$out/cfp:test" "$out/lfw:test" "$out/frmdb:test"
    step "$model: reports"
    python -m sfpn evaluate "$out/cfp" --protocol cfp --folds 1,2,3 --model "$file" --out "$reports/cfp-$model"
    python -m sfpn evaluate "$out/cfp" --protocol decisions --folds 1,2,3 --model "$file" --out "$out/decisions-$model"
    python -m sfpn evaluate demo/assets/synthetic --protocol vggface2-pose --model "$file" \
        --out "$reports/synthetic-$model"
    quote "$model"
done

# Last, because it takes longest and hardly depends on poses: until then cards quote the reports that were there.
for model in $models; do
    step "$model: templates"
    python -m sfpn evaluate "$out/cfp" --protocol templates --folds 1,2,3 --model "$weights/$model.safetensors" \
        --out "$reports/cfp-templates-$model"
    quote "$model"
done
step done
