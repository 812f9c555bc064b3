/* The environment, the locale, and a standard error that nobody reads. */
#include "host.h"
#include <locale.h>
#include <signal.h>

extern char **environ;

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    prepare();
    if (!strcmp(what, "environment")) {
        clearenv();
        report("cleared");
        environ = NULL;
    }
    if (!strcmp(what, "locale")) {
        if (!setlocale(LC_ALL, "")) die("locale");
        char text[16];
        snprintf(text, sizeof text, "%.1f", 1.5);
        if (strcmp(text, "1,5") != 0) die("the locale has no comma");
    }
    if (!strcmp(what, "sigpipe")) {
        int ends[2];
        if (pipe(ends) != 0) die("pipe");
        close(ends[0]);
        dup2(ends[1], 2);
        signal(SIGPIPE, SIG_DFL);
    }
    report("here");
    return printf("end\n") < 0;
}
