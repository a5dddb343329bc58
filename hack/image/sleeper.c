/* The bench's service: binds its port BOOT_MS after its own start (connections are refused before), writes that
 * CLOCK_MONOTONIC instant in nanoseconds to BOUND_FILE when it is set, answers every request with 200, and ends at once
 * on TERM. DEAF=1 ignores TERM; ONCE=1 ends with 0 instead of binding. PORT defaults to 8080. Static, for an image FROM
 * scratch, where it is process 1. */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENT_WAIT_MS = 1000, BACKLOG = 128 };

static void end(int signal_number) {
  (void)signal_number;
  _exit(0);
}

static long number(const char *name, long fallback) {
  const char *text = getenv(name);
  return text && *text ? strtol(text, NULL, 10) : fallback;
}

static int fail(const char *what) {
  perror(what);
  return 1;
}

/* Written beside the name and moved, so that a reader never sees half of it. */
static int write_instant(const char *path) {
  struct timespec now;
  char partial[4096];
  if (snprintf(partial, sizeof partial, "%s.partial", path) >= (int)sizeof partial) return -1;
  clock_gettime(CLOCK_MONOTONIC, &now);
  FILE *file = fopen(partial, "w");
  if (!file) return -1;
  fprintf(file, "%lld\n", (long long)now.tv_sec * 1000000000LL + now.tv_nsec);
  if (fclose(file)) return -1;
  return rename(partial, path);
}

static void answer(int client) {
  static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
  char request[4096];
  struct pollfd readable = {.fd = client, .events = POLLIN};
  if (poll(&readable, 1, CLIENT_WAIT_MS) == 1 && recv(client, request, sizeof request, 0) > 0)
    (void)!send(client, reply, sizeof reply - 1, MSG_NOSIGNAL);
  shutdown(client, SHUT_WR);
  close(client);
}

int main(void) {
  struct sigaction on_term = {.sa_handler = number("DEAF", 0) == 1 ? SIG_IGN : end};
  sigaction(SIGTERM, &on_term, NULL);
  long boot = number("BOOT_MS", 0);
  struct timespec wait = {.tv_sec = boot / 1000, .tv_nsec = boot % 1000 * 1000000L};
  while (nanosleep(&wait, &wait)) continue;
  if (number("ONCE", 0) == 1) return 0;

  int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, off = 0;
  int family = listener < 0 ? AF_INET : AF_INET6;
  if (listener < 0) listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return fail("socket");
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  in_port_t port = htons((in_port_t)number("PORT", 8080));
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = port};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = port};
  if (family == AF_INET6) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  const struct sockaddr *address = family == AF_INET6 ? (const void *)&six : (const void *)&four;
  if (bind(listener, address, family == AF_INET6 ? sizeof six : sizeof four)) return fail("bind");
  if (listen(listener, BACKLOG)) return fail("listen");
  const char *bound = getenv("BOUND_FILE");
  if (bound && *bound && write_instant(bound)) return fail(bound);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client >= 0) answer(client);
  }
}
