# make            build/ngx_http_apikey_module.so and build/apikey
# make deps       installs the Debian packages that developing needs; make
#                 deps-build those that building needs
# make deps-npm   what some tests need of npm, in build/npm; those are skipped
#                 without it
# make demo       a tour of a gateway and its console on loopback; ONCE=1 ends
#                 after that
# make test       everything in t/
# make test-debian SUITE=trixie
#                 all of that from nothing, in a minimal root of that release,
#                 as a user with sudo and as root
# make deb        the Debian packages, in build/deb
# make test-deb SUITE=trixie
#                 those, built, installed, upgraded and removed in minimal roots
#                 of that release
# make ci         what has to pass before a change is merged: the tests, the
#                 units under valgrind and, with NGINX_SRC, test-asan
# make bench      CPU time a request, beside bare nginx
# make install    the module, the program and its man page; DESTDIR, PREFIX,
#                 MODULES_DIR
# make static     build/static/nginx: a whole nginx with the module inside
# make test-asan  the tests with AddressSanitizer and UBSan
# make test-valgrind  the tests with valgrind, which takes long
# make coverage   the lines that the tests run
# make matrix     builds with each nginx of NGINX_SRC="DIR DIR...", gcc and clang
# make clean
#
# JOBS=4          tests at a time
# NGINX_SRC=DIR   nginx's source in place of Debian's nginx-dev; demo and test
#                 then run the nginx made of it.  Needed for static, test-asan.
# CC=clang

SHELL       = /bin/bash
BUILD       = build
NGINX_SRC   = /usr/share/nginx/src
PREFIX      = /usr/local
MODULES_DIR = $(shell PATH=$$PATH:/usr/sbin nginx -V 2>&1 \
              | sed -n "s/.*--modules-path=\([^ ]*\).*/\1/p")
JOBS        = 4
USERS       = user root

BUILD_PACKAGES = gcc make libc6-dev nginx-dev libhiredis-dev libsodium-dev \
                 libjansson-dev libyaml-dev libmicrohttpd-dev libssl-dev \
                 libcurl4-openssl-dev
DEB_PACKAGES   = $(BUILD_PACKAGES) build-essential debhelper
DEMO_PACKAGES  = $(BUILD_PACKAGES) nginx redis-server curl
TEST_PACKAGES  = $(DEMO_PACKAGES) redis-sentinel perl python3 python3-urllib3 \
                 clang libclang-rt-dev wrk strace openssl jq chromium \
                 chromium-driver groff-base

WARNINGS = -Wall -Wextra -Werror
CFLAGS   = -g -O2 -fPIC -fstack-protector-strong -D_FORTIFY_SOURCE=2 \
           -Wformat -Werror=format-security
LDFLAGS  = -Wl,-z,relro -Wl,-z,now

# nginx copies nothing from nowhere (nonnull-attribute) and writes words where
# the CPU lets it (alignment); its pools hide their memory from the sanitizer
# unless told not to.

ASAN = -fsanitize=address,undefined \
       -fno-sanitize=nonnull-attribute,alignment \
       -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
       -DNGX_DEBUG_PALLOC=1

# As the nginx of Debian is configured, else what a gateway usually has.

CONFIGURE_FLAGS = --with-compat --with-debug --with-threads \
                  --with-http_ssl_module --with-http_v2_module \
                  --with-http_realip_module --with-http_auth_request_module \
                  --with-http_stub_status_module --with-http_sub_module \
                  --with-http_gunzip_module --with-http_gzip_static_module \
                  --with-http_addition_module --with-http_slice_module \
                  --with-stream --with-stream_ssl_module

out     = $(abspath $(BUILD))
scripts = $(wildcard src/redis/*.lua)
core    = $(wildcard src/core/*.c)
pure    = $(core) src/redis/view.c
program = $(wildcard $(addsuffix /*.c,src/cli src/web src/store))
pages   = $(wildcard $(addprefix src/console/*.,html css js svg json))
gateway = $(wildcard ngx_http_apikey_module.c src/gateway/*.c src/redis/*.c)
headers = $(wildcard src/*/*.h)

unit    = $(patsubst t/unit/%.c,$(BUILD)/unit/%,$(wildcard t/unit/*.c))
fuzz    = $(patsubst t/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard t/fuzz/*.c))

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
compile = $(CC) $(CFLAGS) $(WARNINGS) -Isrc -I$(BUILD) -MMD -MP

cli_libs  = -l:libhiredis.a -ljansson -lsodium -lmicrohttpd -lssl -lcrypto \
            -lcurl -lyaml -lm
pure_libs = -l:libhiredis.a -lsodium


.PHONY: ci all build deps deps-build deps-demo deps-npm demo test test-debian \
        prove units bench install deb test-deb static test-asan \
        test-valgrind coverage matrix clean
.DELETE_ON_ERROR:

all build: $(BUILD)/ngx_http_apikey_module.so $(BUILD)/apikey $(BUILD)/apikey.1


# The program, and the tests of what needs no nginx.

$(BUILD)/scripts.h: src/redis/embed $(scripts)
	@mkdir -p $(@D)
	sh src/redis/embed $(scripts) > $@

# One VERSION, for the module, the program and its man page.

version_h = sed 's/.*/\#define APIKEY_VERSION "&"/'

$(BUILD)/version.h: VERSION
	@mkdir -p $(@D)
	$(version_h) $< > $@

$(BUILD)/apikey.1: docs/apikey.1 VERSION
	@mkdir -p $(@D)
	sed "s/@VERSION@/$$(cat VERSION)/" $< > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/settings | $(BUILD)/scripts.h $(BUILD)/version.h
	@mkdir -p $(@D)
	$(compile) -c -o $@ $<

$(BUILD)/console.c: src/console/embed $(pages) $(BUILD)/settings
	@mkdir -p $(@D)
	sh src/console/embed $(pages) > $@

$(BUILD)/obj/console.o: $(BUILD)/console.c
	@mkdir -p $(@D)
	$(compile) -c -o $@ $<

$(BUILD)/apikey: $(call objects,$(program) $(core)) \
    $(BUILD)/obj/console.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(cli_libs)

$(BUILD)/unit/vectors.h: t/unit/vectors.py
	@mkdir -p $(@D)
	python3 $< > $@

$(BUILD)/obj/t/unit/%.o: t/unit/%.c $(BUILD)/settings | $(BUILD)/unit/vectors.h
	@mkdir -p $(@D)
	$(compile) -I$(BUILD)/unit -c -o $@ $<

$(BUILD)/unit/%: $(BUILD)/obj/t/unit/%.o $(call objects,$(pure))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(pure_libs)

units: $(unit)

# What of the program the targets need besides the core.

fuzz_program = $(patsubst %,src/store/%.c,attributes dates document encoding \
               entry memory permissions rows) \
               $(wildcard src/store/foreign*.c)

$(BUILD)/fuzz/%: t/fuzz/%.c $(pure) $(fuzz_program) $(headers) \
    $(BUILD)/settings
	@mkdir -p $(@D)
	clang $(WARNINGS) -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -Isrc -o $@ $< $(pure) \
	    $(fuzz_program) $(pure_libs) -ljansson -lyaml -lm

# The whole program, with sockets and a clock of the target's own.

fuzz_renamed = main connect getaddrinfo freeaddrinfo send recv poll \
               clock_gettime nanosleep

$(BUILD)/fuzz/fuzz_replies: t/fuzz/fuzz_replies.c t/fuzz/fuzz.h $(program) \
    $(core) $(BUILD)/console.c $(headers) $(BUILD)/scripts.h \
    $(BUILD)/version.h $(BUILD)/settings
	@mkdir -p $(@D)
	clang $(WARNINGS) -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -Isrc -I$(BUILD) \
	    $(foreach f,$(fuzz_renamed),-D$(f)=program_$(f)) -o $@ $< \
	    $(program) $(core) $(BUILD)/console.c $(cli_libs)

# Those that need nginx are a module of it, and both are built for libFuzzer:
# see t/fuzz/nginx.

FUZZ = -fsanitize=fuzzer-no-link,address,undefined \
       -fno-sanitize=nonnull-attribute,alignment,function \
       -fno-sanitize-recover=undefined -fno-omit-frame-pointer

clang_rt = $(shell clang -print-resource-dir)/lib/linux/libclang_rt

$(BUILD)/fuzz/nginx/libfuzzer.so: t/fuzz/nginx/preload/libfuzzer.c
	@mkdir -p $(@D)
	clang $(WARNINGS) -Wno-unused-parameter -fPIC -shared -o $@ $< \
	    -Wl,--whole-archive \
	    $(clang_rt).fuzzer_no_main-$(shell uname -m).a \
	    -Wl,--no-whole-archive -lstdc++ -lm

$(BUILD)/fuzz/nginx/modules: $(gateway) $(core) $(headers) $(scripts) config \
    $(wildcard t/fuzz/nginx/*) t/fuzz/fuzz.h $(BUILD)/settings
	rm -f $(BUILD)/fuzz/nginx/ngx_http_apikey_module.so
	+$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz/nginx CC=clang \
	    CFLAGS="-g -O1 -fPIC $(FUZZ)" LDFLAGS= \
	    MODULES=--add-dynamic-module=$(CURDIR)/t/fuzz/nginx \
	    $(BUILD)/fuzz/nginx/ngx_http_apikey_module.so
	cp --remove-destination \
	    $(BUILD)/fuzz/nginx/module/ngx_http_apikey_fuzz_module.so \
	    $(BUILD)/fuzz/nginx
	touch $@

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)


# The module.  nginx is configured and built out of its tree: $(1)/tree has
# links to what is in NGINX_SRC, for configure may write a Makefile where it
# stands.

define configure
	rm -rf $(1)
	mkdir -p $(1)/tree
	ln -s $(abspath $(NGINX_SRC))/* $(1)/tree/
	rm -f $(1)/tree/Makefile $(1)/tree/objs
	@echo configuring nginx from $(NGINX_SRC) in $(1)
	@cd $(1)/tree \
	&& NGX_CONF_FLAGS=( $(CONFIGURE_FLAGS) ) \
	&& if [ -f conf_flags ]; then . ./conf_flags; fi \
	&& configure=$$(ls configure auto/configure 2>/dev/null | head -1) \
	&& CFLAGS= ./$$configure "$${NGX_CONF_FLAGS[@]}" --builddir=$(1) \
	       --with-cc="$(CC)" --with-cc-opt="$(CFLAGS)" \
	       --with-ld-opt="$(LDFLAGS) -fPIC" $(2) > $(1)/configure.log \
	|| { cat $(1)/configure.log; exit 1; }
endef

make_nginx = $(MAKE) --no-print-directory -C $(1)/tree -f $(1)/Makefile

$(BUILD)/module/Makefile: config t/fuzz/nginx/config $(BUILD)/settings
	$(call configure,$(out)/module,--add-dynamic-module=$(CURDIR) $(MODULES))

$(BUILD)/static/Makefile: config $(BUILD)/settings
	$(call configure,$(out)/static,--add-module=$(CURDIR))

$(BUILD)/%/apikey/scripts.h: $(BUILD)/scripts.h $(BUILD)/%/Makefile
	cp $< $@

$(BUILD)/%/apikey/version.h: $(BUILD)/version.h $(BUILD)/%/Makefile
	cp $< $@

$(BUILD)/ngx_http_apikey_module.so: $(BUILD)/module/apikey/scripts.h \
    $(BUILD)/module/apikey/version.h $(gateway) $(core) $(headers)
	+$(call make_nginx,$(out)/module) modules
	cp --remove-destination $(BUILD)/module/ngx_http_apikey_module.so $@

$(BUILD)/static/nginx: $(BUILD)/static/apikey/scripts.h \
    $(BUILD)/static/apikey/version.h $(gateway) $(core) $(headers)
	+$(call make_nginx,$(out)/static) binary

static: $(BUILD)/static/nginx

# Debian's nginx-dev is only the headers.

ifneq ($(wildcard $(NGINX_SRC)/src/core/nginx.c),)

export TEST_NGINX_BINARY ?= $(out)/module/nginx

$(BUILD)/module/nginx: $(BUILD)/ngx_http_apikey_module.so
	+$(call make_nginx,$(out)/module) binary

all build: $(BUILD)/module/nginx

endif


# What makes everything old when it changes, kept in a file: the folder, too,
# for a copy has what was built of another.

nginx_version = $(shell sed -n 's/.*define NGINX_VERSION *//p' \
                  $(NGINX_SRC)/src/core/nginx.h 2>/dev/null)

define settings
$(CURDIR) $(compile) $(LDFLAGS)
$(abspath $(NGINX_SRC)) $(nginx_version) $(CONFIGURE_FLAGS)
$(program) $(core) $(gateway) $(scripts) $(pages)
endef

ifeq ($(filter clean matrix,$(MAKECMDGOALS)),)
ifneq ($(file < $(BUILD)/settings),$(settings))
$(shell mkdir -p $(BUILD))
$(file > $(BUILD)/settings,$(settings))
endif
endif


deps:
	@t/deps $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory -s $(BUILD)/nchan

deps-build:
	@t/deps $(BUILD_PACKAGES)

deps-demo:
	@t/deps $(DEMO_PACKAGES)

# Of the nginx that is installed.

$(BUILD)/nchan: $(wildcard /var/lib/dpkg/info/nginx.list)
	@t/unpack $@ libnginx-mod-nchan

$(BUILD)/lua: $(wildcard /var/lib/dpkg/info/nginx.list)
	@t/unpack $@ libnginx-mod-http-lua libnginx-mod-http-ndk \
	    lua-resty-core lua-nginx-redis

deps-npm: $(BUILD)/npm/node_modules

$(BUILD)/npm/node_modules: t/npm/package.json
	@mkdir -p $(@D)
	cp $< $(@D)
	npm install --prefix $(@D) --no-audit --no-fund --silent
	@touch $@

demo: deps-demo
	@$(MAKE) -s all
	@BUILD=$(out) ONCE=$(ONCE) t/demo/run

test: deps
	@$(MAKE) --no-print-directory -j$(shell nproc) prove

# They wait more than they compute.  Those that take longest begin.

long = t/revoke.t t/fuzz.t t/build.t t/usage_flush.t t/cli_cluster_moves.t

prove: all units $(fuzz) $(BUILD)/fuzz/nginx/modules \
       $(BUILD)/fuzz/nginx/libfuzzer.so $(BUILD)/nchan
	prove -j$(JOBS) $(long) $(filter-out $(long),$(wildcard t/*.t))

# All of it twice: USERS=user is the half that .ci/run takes, because there the
# tests of this machine are root's.

test-debian:
	@t/deps mmdebstrap iproute2
	@test -n "$(SUITE)" \
	|| { echo "make test-debian SUITE=bookworm, trixie or forky" >&2; exit 1; }
	@for user in $(USERS); do \
	    t/debian $(SUITE) $$user || exit; \
	done

bench: deps
	@t/deps lua-resty-lrucache
	@$(MAKE) --no-print-directory all $(BUILD)/lua
	@BUILD=$(out) t/bench/run

# Which a slower module and program don't concern aren't among these.

slow_tests = $(filter-out t/arrows.t t/build.t t/fuzz.t,$(wildcard t/*.t))

test-asan: deps
	$(MAKE) BUILD=$(BUILD)/asan CFLAGS="-g -O1 $(ASAN)" LDFLAGS="$(ASAN)" \
	    static units $(BUILD)/asan/apikey
	TEST_NGINX_BINARY=$(out)/asan/static/nginx TEST_NGINX_MODULE= \
	    TEST_BUILD=$(out)/asan prove -j$(JOBS) \
	    $(slow_tests)

# Programs in the place of nginx and apikey that call them under valgrind.  Of memory
# that workers share it knows only what its own worker wrote: what others have
# written there would seem undefined.

valgrind = valgrind --quiet --error-exitcode=99 --leak-check=full \
           --show-leak-kinds=definite --errors-for-leak-kinds=definite \
           --suppressions=$(CURDIR)/t/valgrind.supp

test-valgrind: deps all units
	@t/deps valgrind
	rm -rf $(BUILD)/valgrind
	mkdir -p $(BUILD)/valgrind/unit
	ln -s $(out)/ngx_http_apikey_module.so $(BUILD)/valgrind
	for program in $${TEST_NGINX_BINARY:-/usr/sbin/nginx} $(out)/apikey \
	    $(abspath $(unit)); do \
	    name=$${program#$(out)/}; name=$${name#/usr/sbin/}; \
	    case $$name in *nginx) shared=--undef-value-errors=no;; \
	                   *) shared=;; esac; \
	    printf '#!/bin/sh\nexec %s %s %s "$$@"\n' '$(valgrind)' "$$shared" \
	        $$program > $(BUILD)/valgrind/$$name; \
	    chmod 755 $(BUILD)/valgrind/$$name; \
	done
	TEST_NGINX_BINARY=$(out)/valgrind/nginx TEST_BUILD=$(out)/valgrind \
	    TEST_PATIENCE=10 prove -j$(JOBS) $(slow_tests)

units-valgrind: units
	@t/deps valgrind
	for unit in $(unit); do $(valgrind) $$unit > /dev/null || exit; done

ci: test
	$(MAKE) units-valgrind
ifneq ($(wildcard $(NGINX_SRC)/src/core/nginx.c),)
	$(MAKE) test-asan
endif

coverage: deps
	$(MAKE) BUILD=$(BUILD)/coverage CFLAGS="-g -O0 -fPIC --coverage" \
	    LDFLAGS=--coverage all units
	find $(BUILD)/coverage -name '*.gcda' -delete
	TEST_BUILD=$(out)/coverage TEST_NGINX_USER=root prove -j$(JOBS) \
	    $(slow_tests)
	t/coverage $(BUILD)/coverage

matrix: deps
	@t/matrix $(out) $(abspath $(NGINX_SRC))

install: all
	@test -n "$(MODULES_DIR)" \
	|| { echo "where nginx looks for modules is not known: make install" \
	          "MODULES_DIR=DIR" >&2; exit 1; }
	install -d $(DESTDIR)$(MODULES_DIR) $(DESTDIR)$(PREFIX)/bin \
	    $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(BUILD)/ngx_http_apikey_module.so $(DESTDIR)$(MODULES_DIR)
	install -m 755 $(BUILD)/apikey $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(BUILD)/apikey.1 $(DESTDIR)$(PREFIX)/share/man/man1

# Of a copy, because packaging leaves files beside debian/control and above.

deb:
	@t/deps $(DEB_PACKAGES)
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb/source
	tar -c --exclude=./build --exclude=./.git . | tar -x -C $(BUILD)/deb/source
	cd $(BUILD)/deb/source && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
	    dpkg-buildpackage --build=binary --no-sign
	@ls -l $(BUILD)/deb/*.deb

test-deb:
	@t/deps perl mmdebstrap iproute2
	@test -n "$(SUITE)" \
	|| { echo "make test-deb SUITE=bookworm, trixie or forky" >&2; exit 1; }
	TEST_DEB_SUITE=$(SUITE) prove --verbose t/deb.t

clean:
	rm -rf $(BUILD)
