/* supcon_mpi.h: the collectives of libsupcon over MPI, for C and C++. Link -lsupcon-mpi -lsupcon,
 * and compile with mpicc.
 *
 *   int threads;
 *   MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &threads);
 *   supcon_mpi *mpi;
 *   supcon_collectives collectives;
 *   if (supcon_mpi_create(MPI_COMM_WORLD, 300, &collectives, &mpi) != MPI_SUCCESS) ...
 *   supcon_trainer_create_distributed(context, model, dataset, &options, &collectives, &trainer);
 *   ... supcon_trainer_run(trainer, callback, NULL) ... supcon_trainer_free(trainer);
 *   supcon_mpi_free(mpi);
 *   MPI_Finalize();
 *
 * After a failure of the collectives messages may still be under way, and MPI_Finalize() may wait
 * for them: call MPI_Abort() then. */
#ifndef SUPCON_MPI_H
#define SUPCON_MPI_H

#include <mpi.h>
#include <supcon.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ranks of a communicator: copies of it, so that messages do not mix with the host's. */
typedef struct supcon_mpi supcon_mpi;

/* Fills `collectives` for the ranks of a communicator; all of them call this. It is valid until
 * supcon_mpi_free(*mpi). deadline: seconds, above 0, after which an operation that a rank does not
 * come to fails, and says which rank; give more than rank 0 takes to write a checkpoint. Returns
 * MPI_SUCCESS, or MPI's error (MPI_ERR_ARG: a NULL, a deadline that is not above 0;
 * MPI_ERR_PENDING: not all ranks came here before the deadline; MPI_ERR_NO_MEM), with *mpi NULL.
 * One thread at a time. MPI_THREAD_SINGLE is enough. With MPI_THREAD_SERIALIZED or more, any_thread
 * is set, and gradients are summed during the backward pass: the host then makes no MPI call of its
 * own during supcon_trainer_run unless it has MPI_THREAD_MULTIPLE. */
int supcon_mpi_create(MPI_Comm communicator, double deadline, supcon_collectives *collectives,
                      supcon_mpi **mpi);
/* All ranks call it. NULL is legal. */
void supcon_mpi_free(supcon_mpi *mpi);

#ifdef __cplusplus
}
#endif
#endif
