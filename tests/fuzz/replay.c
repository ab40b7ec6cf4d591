/* A fuzzer's main () for any compiler: each file, or each file of a folder,
 * that the command line names is one input.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (1 << 16)

static int
replay_file (const char *path)
{
  static uint8_t input[INPUT_MAX];
  FILE *file = fopen (path, "rb");
  size_t size;

  if (file == NULL)
    {
      perror (path);
      return -1;
    }
  size = fread (input, 1, sizeof input, file);
  fclose (file);
  LLVMFuzzerTestOneInput (input, size);
  return 1;
}

/* How many inputs there were, or -1. */
static int
replay (const char *path)
{
  struct stat st;
  struct dirent *entry;
  char name[1024];
  int inputs = 0;
  DIR *stream;

  if (stat (path, &st) < 0 || !S_ISDIR (st.st_mode))
    return replay_file (path);
  stream = opendir (path);
  while (stream != NULL && inputs >= 0 && (entry = readdir (stream)) != NULL)
    {
      if (entry->d_name[0] == '.')
        continue;
      snprintf (name, sizeof name, "%s/%s", path, entry->d_name);
      inputs = replay_file (name) < 0 ? -1 : inputs + 1;
    }
  if (stream != NULL)
    closedir (stream);
  return inputs;
}

int
main (int argc, char **argv)
{
  int inputs = 0;

  LLVMFuzzerInitialize (&argc, &argv);
  for (int i = 1; i < argc; i++)
    {
      int n = replay (argv[i]);

      if (n < 0)
        return 1;
      inputs += n;
    }
  printf ("%d inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
