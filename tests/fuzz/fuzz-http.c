/* An HTTP request for fcctl metrics, from anybody who may connect.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <glib.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "http.h"

static int request;

/* That the client is slow is no matter here, and a fuzzer has an alarm of its
 * own. */
unsigned
alarm (unsigned seconds)
{
  return 0;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  request = memfd_create ("request", MFD_CLOEXEC);
  if (request < 0 || dup2 (request, STDIN_FILENO) < 0)
    abort ();
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FcctlHttp answer;

  if (ftruncate (request, 0) < 0
      || pwrite (request, data, size, 0) != (ssize_t) size
      || lseek (request, 0, SEEK_SET) < 0)
    abort ();
  answer = fcctl_http_read ("/metrics");
  if (answer != FCCTL_HTTP_REFUSED)
    {
      /* All of the head was read. */
      if (lseek (request, 0, SEEK_CUR) < 4)
        abort ();
      fcctl_http_answer (answer, "200 OK", "text/plain", "");
    }
  return 0;
}
