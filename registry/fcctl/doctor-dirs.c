/* framecache: fcctl doctor's checks of directories and memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <unistd.h>

#include "doctor.h"
#include "room.h"

/* What containers get by default: less than a second of 1080p. */
#define SMALL (G_GUINT64_CONSTANT (64) << 20)
/* Shared memory of which less than one part in so many is free is full. */
#define FULL 20

/* Directories -------------------------------------------------------------- */

void
fcctl_doctor_dir_missing (FcctlDoctor *doctor)
{
  const FcctlDoctorDir *first = g_ptr_array_index (doctor->dirs, 0);

  for (guint i = 0; i < doctor->dirs->len; i++)
    if (((FcctlDoctorDir *) g_ptr_array_index (doctor->dirs, i))->exists)
      return;
  /* The usual ones are made by the first writer, one that was named is not. */
  if (first->named)
    fcctl_doctor_fault (doctor, first->path,
                        "Make it (mkdir -m 755), or name another one with "
                        "--directory or FC_DIR.",
                        "There is no slot directory %s.", first->path);
  else
    fcctl_doctor_note (doctor, NULL, NULL,
                       "There is no slot directory yet; the first writer makes "
                       "%s.",
                       doctor->home);
}

static void
say_not_a_directory (FcctlDoctor *doctor, const FcctlDoctorDir *dir)
{
  fcctl_doctor_fault (doctor, dir->path, "Remove it.",
                      "%s is not a directory, and slots are looked for in it.",
                      dir->path);
}

void
fcctl_doctor_dir_owner (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->dirs->len; i++)
    {
      const FcctlDoctorDir *dir = g_ptr_array_index (doctor->dirs, i);
      g_autofree gchar *owner = fcctl_doctor_user (dir->st.st_uid);

      if (!dir->exists)
        continue;
      if (!S_ISDIR (dir->st.st_mode))
        say_not_a_directory (doctor, dir);
      else if (dir->st.st_uid != 0 && dir->st.st_uid != geteuid ())
        fcctl_doctor_fault (
            doctor, dir->path,
            "Have root make it anew, or use a directory of your own.",
            "The slot directory %s belongs to %s, who could replace every file "
            "in it: this user's writers refuse it, and its consumers only "
            "observe that user's slots.",
            dir->path, owner);
    }
}

void
fcctl_doctor_dir_mode (FcctlDoctor *doctor)
{
  for (guint i = 0; i < doctor->dirs->len; i++)
    {
      const FcctlDoctorDir *dir = g_ptr_array_index (doctor->dirs, i);

      if (!dir->exists || dir->safe)
        continue;
      fcctl_doctor_fault (doctor, dir->path,
                          "chmod go-w, or chmod +t where others are to make "
                          "slots too.",
                          "The slot directory %s is refused by all: others may "
                          "write in it (mode %04o), and it is not sticky, so "
                          "that they could replace its files.",
                          dir->path, dir->st.st_mode & 07777);
    }
}

void
fcctl_doctor_dir_write (FcctlDoctor *doctor)
{
  const FcctlDoctorDir *dir = g_ptr_array_index (doctor->dirs, 0);

  /* What else is wrong with a directory that was named has been said. */
  if (doctor->home_result == 0
      || (dir->named && doctor->home_result != -EACCES))
    return;
  if (dir->named)
    fcctl_doctor_note (doctor, dir->path, "Only writers need more.",
                       "This user may read slots, and not make any: %s.",
                       doctor->home_detail);
  else
    fcctl_doctor_fault (
        doctor, NULL, "Mend that directory, or name another with FC_DIR.",
        "This user can not make slots: %s.", doctor->home_detail);
}

/* Memory ------------------------------------------------------------------- */

void
fcctl_doctor_not_tmpfs (FcctlDoctor *doctor)
{
  const FcctlDoctorDir *dir = g_ptr_array_index (doctor->dirs, 0);
  const gchar *home = doctor->home;
  FcctlFs fs = { 0 };

  if (access (home, F_OK) < 0 && dir->named)
    fcctl_doctor_skip (doctor, "the directory that was named is not there");
  else if (!fcctl_fs (home, &fs))
    fcctl_doctor_skip (doctor, "its file system can not be looked at");
  else if (!fs.tmpfs)
    fcctl_doctor_fault (doctor, home,
                        "Use a directory in /dev/shm or on another tmpfs.",
                        "The slot directory %s is not in memory but on a disk "
                        "(mounted at %s): each frame is written to it.",
                        home, fs.mount);
  fcctl_fs_clear (&fs);
}

void
fcctl_doctor_shm_small (FcctlDoctor *doctor)
{
  FcctlFs fs = { 0 };

  if (fcctl_fs (doctor->home, &fs) && fs.tmpfs && fs.size > 0
      && fs.size <= SMALL)
    {
      g_autofree gchar *size = fcctl_bytes (fs.size);
      g_autofree gchar *remedy = g_strdup_printf (
          "Give the container more (docker: --shm-size=1g; Kubernetes: an "
          "emptyDir of medium Memory at %s), or mount -o remount,size=1g %s.",
          fs.mount, fs.mount);

      fcctl_doctor_fault (doctor, fs.mount, remedy,
                          "The shared memory at %s has %s in all, which is "
                          "less than a second of 1080p video.",
                          fs.mount, size);
    }
  fcctl_fs_clear (&fs);
}

void
fcctl_doctor_shm_full (FcctlDoctor *doctor)
{
  FcctlFs fs = { 0 };

  if (fcctl_fs (doctor->home, &fs) && fs.size > 0 && fs.free < fs.size / FULL)
    {
      g_autofree gchar *size = fcctl_bytes (fs.size);
      g_autofree gchar *left = fcctl_bytes (fs.free);

      fcctl_doctor_fault (
          doctor, fs.mount,
          "fcctl list shows what slots take, fcctl gc collects what crashes "
          "left; else mount -o remount,size= with more.",
          "The shared memory at %s is full: %s of %s are free. New slots do "
          "not fit, and histories get shorter.",
          fs.mount, left, size);
    }
  fcctl_fs_clear (&fs);
}

/* What the slots that are there may come to take beyond what they have. */
static guint64
growth (const FcctlDoctor *doctor)
{
  guint64 bytes = 0;

  for (guint i = 0; i < doctor->slots->len; i++)
    {
      const FcctlDoctorSlot *slot = g_ptr_array_index (doctor->slots, i);

      if (slot->result == 0
          && slot->stat.bytes_planned > slot->stat.bytes_allocated)
        bytes += slot->stat.bytes_planned - slot->stat.bytes_allocated;
    }
  return bytes;
}

void
fcctl_doctor_memory_limit (FcctlDoctor *doctor)
{
  guint64 planned = growth (doctor);
  FcctlCgroup cgroup = { 0 };

  if (!fcctl_cgroup (&cgroup))
    fcctl_doctor_skip (doctor, "this process's memory has no limit that can "
                               "be seen here");
  else if (planned > cgroup.left)
    {
      g_autofree gchar *more = fcctl_bytes (planned);
      g_autofree gchar *left = fcctl_bytes (cgroup.left);
      g_autofree gchar *max = fcctl_bytes (cgroup.max);

      fcctl_doctor_fault (
          doctor, cgroup.file,
          "Raise the limit, or give the slots a smaller depth, fewer consumers "
          "or fewer leases (fcctl plan works them out).",
          "The slots may come to take %s more when their consumers hold all "
          "that they may, and %s leaves %s of %s: beyond that the kernel kills "
          "processes.",
          more, cgroup.file, left, max);
    }
  fcctl_cgroup_clear (&cgroup);
}
