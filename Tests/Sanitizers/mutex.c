/* The contended path of Swift's Mutex, for the thread sanitizer. The uncontended one is compiled
 * into the library, where the sanitizer sees it; this one is Swift's own, a futex that hands the
 * mutex over (FUTEX_LOCK_PI) in code that it does not see, so that it would take what the mutex
 * guards for a race. These take the place of Swift's two functions and say what they do. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sanitizer/tsan_interface.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Calls the kernel until it does what is asked. */
static void until_done(void *handle, int operation) {
  while (syscall(SYS_futex, handle, operation, 0, NULL) != 0)
    if (errno != EINTR && errno != EAGAIN) abort();
}

#define SWIFT_METHOD __attribute__((swiftcall, visibility("default"))) void
#define SELF __attribute__((swift_context)) void *handle

SWIFT_METHOD lock_slow(uint32_t thread,
                       SELF) __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
SWIFT_METHOD lock_slow(uint32_t thread, SELF) {
  (void)thread;
  until_done(handle, FUTEX_LOCK_PI_PRIVATE);
  __tsan_acquire(handle);
}

SWIFT_METHOD unlock_slow(SELF) __asm__("$s15Synchronization12_MutexHandleV11_unlockSlowyyF");
SWIFT_METHOD unlock_slow(SELF) {
  __tsan_release(handle);
  until_done(handle, FUTEX_UNLOCK_PI_PRIVATE);
}
