# Shared by the scripts in tools/: packages from Debian, named steps with a log, one closing line.
# Sourced, not run; the caller has `set -euo pipefail` and stands in the top folder.

build_packages=(gcc cmake ninja-build pkg-config libpcap-dev libndpi-dev libyaml-dev libssl-dev zlib1g-dev
	libvectorscan-dev libsqlite3-dev libseccomp-dev libcap-ng-dev libhiredis-dev ieee-data)
test_packages=(git libcmocka-dev clang clang-format libclang-rt-dev python3 python3-yaml tshark jq iproute2
	redis-server rsyslog rsyslog-openssl openssl python3-jsonschema)

# need PACKAGE...: installs those that are missing; says so before it does.
need() {
	local missing=() package
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing from Debian: ${missing[*]}"
	local root=()
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || { echo "please install: ${missing[*]} (needs root or sudo)" >&2; return 1; }
		root=(sudo)
	fi
	"${root[@]}" apt-get -qq update
	DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
}

passed=0 failed=0 skipped=0
failures=()

# step NAME COMMAND...: runs it with its output in $log/NAME.log; counts it; shows the log's end when it failed.
step() {
	local name=$1 started=$SECONDS
	shift
	if "$@" >"$log/$name.log" 2>&1; then
		passed=$((passed + 1))
		printf 'ok      %s (%d s)\n' "$name" $((SECONDS - started))
	else
		failed=$((failed + 1))
		failures+=("$name")
		printf 'FAILED  %s (%d s), the end of %s:\n' "$name" $((SECONDS - started)) "$log/$name.log"
		tail -n 25 "$log/$name.log" | sed 's/^/        /'
		return 1
	fi
}

# run_ctest NAME BUILD CTEST-OPTION...: a step whose tests are counted one by one.
run_ctest() {
	local name=$1 build=$2 started=$SECONDS total good left
	shift 2
	ctest --test-dir "$build" -j 2 --output-on-failure --no-tests=error "$@" >"$log/$name.log" 2>&1 || true
	total=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+:' "$log/$name.log" || true)
	good=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+:.* Passed ' "$log/$name.log" || true)
	left=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+:.*\*\*\*Skipped' "$log/$name.log" || true)
	passed=$((passed + good))
	skipped=$((skipped + left))
	if [ "$total" -eq 0 ] || [ "$total" -ne $((good + left)) ]; then
		[ "$total" -gt 0 ] || total=1
		failed=$((failed + total - good - left))
		printf 'FAILED  %s (%d s), all of it in %s:\n' "$name" $((SECONDS - started)) "$log/$name.log"
		sed -n '/The following tests FAILED/,$p' "$log/$name.log" | sed 's/^/        /'
		failures+=("$name")
	else
		printf 'ok      %s (%d s): %d passed, %d skipped\n' "$name" $((SECONDS - started)) "$good" "$left"
	fi
	sed -nE 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) .*\*\*\*Skipped.*/        skipped: \1/p' "$log/$name.log"
}

# closing: the one plain line at the end; false when anything failed.
closing() {
	[ ${#failures[@]} -eq 0 ] || echo "failed: ${failures[*]}"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}
