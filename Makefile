# make demo   train, evaluate and show a leaderboard on the embedded demo task; real weights on real voices beside it
# make test   lint, types, every test, the commands of the documentation
# Both set up $(VENV) first, with uv (which is fetched from the package index when it is not there).

VENV ?= .venv
PYTHON ?= >=3.11,<3.14
EXTRAS ?= dev,plots,open
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)

# Packages are compiled once, not by every process that the tests start.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo demo-voices test lint style install clean

# DEMO names the folder; a new temporary one by default. DEMO_OPTIONS are added to `mosharness run` (the tests shorten it).
# One thread each: the networks are too small to gain from more, and the two halves run side by side.
demo: install
	@set -e; start=$$(date +%s); place="$(DEMO)"; \
	test -n "$$place" || place=$$(mktemp -d -t mosharness-demo-XXXXXX); mkdir -p "$$place"; \
	$(MAKE) --no-print-directory demo-voices DEMO="$$place" >"$$place/voices.log" 2>&1 & voices=$$!; \
	trap 'kill $$voices 2>/dev/null || true' EXIT; \
	OMP_NUM_THREADS=1 $(BIN)/mosharness run --task demo --predictor dsp --predictor jsqa --train --device cpu \
		--output "$$place/results" $(DEMO_OPTIONS); \
	$(BIN)/mosharness verify "$$place/results/demo/test/dsp"; \
	$(BIN)/mosharness verify "$$place/results/demo/test/jsqa"; \
	$(BIN)/mosharness leaderboard --results "$$place/results" --output "$$place/leaderboards" --task demo; \
	echo; cat "$$place/leaderboards/demo.md"; echo; \
	code=0; wait $$voices || code=$$?; cat "$$place/voices.log"; test $$code -eq 0; echo; \
	echo "leaderboard: $$place/leaderboards/demo.md"; \
	echo "plot:        $$(ls "$$place"/leaderboards/plots/*.png)"; \
	echo "voices:      $$place/voices/agree.md"; \
	echo "work took $$(( $$(date +%s) - start )) s"

# Real weights on real voices: the same voice rendered again passes a gate, a coarse codec fails it (exit code 1), and
# four predictors stand side by side. DEMO_VOICES are added to `predict` and `gate`, DEMO_GATE to `gate` (the tests
# shorten it with them).
DEMO_PREDICTORS ?= distillmos,dnsmos,dnsmos_p808,plcmos
demo-voices: install
	@set -e; export OMP_NUM_THREADS=1; place="$(DEMO)/voices"; options="--device cpu --workers 1 $(DEMO_VOICES)"; \
	$(BIN)/python -m mosharness.tasks.demo.voices "$$place"; \
	echo; echo "== A gate: last night's voice against the released one, the same rendered again"; \
	$(BIN)/mosharness gate --baseline "$$place/released" --candidate "$$place/tonight" $$options $(DEMO_GATE); \
	echo; echo "== A gate: the released voice through a codec that is too coarse"; code=0; \
	$(BIN)/mosharness gate --baseline "$$place/released" --candidate "$$place/broken" $$options $(DEMO_GATE) || code=$$?; \
	test $$code -eq 1; \
	echo; echo "== Predictors on eight voices"; \
	$(BIN)/mosharness predict "$$place/systems" --predictor $(DEMO_PREDICTORS) $$options \
		-o "$$place/scores.csv"; \
	echo; $(BIN)/mosharness agree "$$place/scores.csv" -o "$$place/agree.md"

# Two test processes with one thread each: more threads than cores only slow each other down. tests/conftest.py orders.
# Types are checked beside them.
test: style
	@$(BIN)/python tests/typecheck.py & types=$$!; code=0; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not gpu" -n 2 --dist loadgroup --no-loadscope-reorder || code=$$?; \
	wait $$types || { echo "types: see the errors of tests/typecheck.py above" >&2; exit 1; }; \
	exit $$code

lint: style
	$(BIN)/python tests/typecheck.py

style: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

install: $(READY)

$(READY):
	@start=$$(date +%s); \
	uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then \
		python3 -m venv $(VENV).uv && $(VENV).uv/bin/pip install --quiet uv && uv=$(VENV).uv/bin/uv; \
	fi && \
	"$$uv" venv --quiet --allow-existing --python "$(PYTHON)" $(VENV) && \
	"$$uv" pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[$(EXTRAS)]" && \
	touch $(READY) && \
	echo "installed into $(VENV) in $$(( $$(date +%s) - start )) s"

clean:
	rm -rf $(VENV) $(VENV).uv .tc .mypy_cache .ruff_cache .pytest_cache
