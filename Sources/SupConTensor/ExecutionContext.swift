import Glibc

/// A context sets the number of threads that compute, and the memory that a call may take.
public struct ExecutionContext: Sendable {
    /// The number of threads that compute.
    public let threads: Int
    private let limit: Int
    private let cancellation = Cancellation()

    /// Makes a context.
    ///
    /// - Parameters:
    ///   - threads: 1 to 1024; 0: the number of CPUs that this process may run on.
    ///   - memoryLimit: the bytes that one plan may take; 0: the memory that the machine has free
    ///     when the plan is made.
    /// Errors: argument.
    public init(threads: Int = 0, memoryLimit: Int = 0) throws(SupConError) {
        try require(
            (0...1024).contains(threads), .argument,
            "threads is \(threads); expected 1 to 1024, or 0 for all CPUs")
        try require(
            memoryLimit >= 0, .argument,
            "memory limit is \(memoryLimit); expected a number of bytes, or 0 for what is free")
        self.threads = threads == 0 ? Parallel.availableThreads : threads
        limit = memoryLimit
    }

    private init() {
        threads = Parallel.availableThreads
        limit = 0
    }
    /// The context of all CPUs and all memory.
    public static let `default` = ExecutionContext()

    /// Stops the calls that are running with this context, each at its next check: they throw
    /// `canceled`. Later calls run normally. It may be called from any thread or a signal handler.
    public func cancel() { cancellation.cancel() }

    /// Returns a watch by which a call that begins now learns whether to stop.
    package func watch() -> CancelWatch { cancellation.watch() }

    /// Throws if `bytes` are more than may be taken: by the limit, of the machine's free memory, or
    /// by the process, whose own limits show only if it asks; or if nothing would be left for what
    /// cannot be refused. `what` says in the message what they were for. Errors: memory.
    package func checkMemory(_ bytes: Int, for what: @autoclosure () -> String) throws(SupConError)
    {
        try check(bytes, limit > 0 ? limit : MachineMemory.available(), what)
        var probe: UnsafeMutableRawPointer?
        let status = posix_memalign(&probe, 64, max(bytes, 64))
        let isSpared = MachineMemory.isSpared()
        free(probe)
        try require(
            status == 0 && isSpared, .memory,
            """
            \(what()) needs \(readable(bytes: bytes)), and \
            \(readable(bytes: MachineMemory.spareByteCount)) to spare, which the system refuses
            """
        )
    }

    /// Checks memory that is taken repeatedly, such as for images. Without a limit the machine is
    /// asked only about more than 64 MiB. Errors: memory.
    package func checkOften(_ bytes: Int, for what: @autoclosure () -> String) throws(SupConError) {
        if limit > 0 || bytes > 64 << 20 { try checkMemory(bytes, for: what()) }
    }

    /// The size in bytes from which a buffer counts as large, so that threads hold one of them at a
    /// time: 64 MiB, or less if a limit leaves less for each thread.
    package var largeByteCount: Int {
        limit > 0 ? min(64 << 20, limit / (4 * threads)) : 64 << 20
    }

    /// Checks memory that has been taken in parts, against the limit alone, as the parts are no
    /// longer free. Errors: memory.
    package func checkLimit(_ bytes: Int, for what: @autoclosure () -> String) throws(SupConError) {
        try check(bytes, limit > 0 ? limit : Int.max, what)
    }

    private func check(_ bytes: Int, _ most: Int, _ what: () -> String) throws(SupConError) {
        try require(
            bytes <= most, .memory,
            """
            \(what()) needs \(readable(bytes: bytes)) but \
            \(limit > 0 ? "the limit is" : "the machine has") \
            \(readable(bytes: most))\(limit > 0 ? "" : " free")
            """
        )
    }
}

/// Returns a size in readable form, such as "123 MB".
package func readable(bytes: Int) -> String {
    bytes >= 1_000_000 ? "\((bytes + 500_000) / 1_000_000) MB" : "\((bytes + 500) / 1000) kB"
}

/// Throws unless the system would give `MachineMemory.spareByteCount`, which pieces need that are
/// not checked when they are taken. Errors: memory.
package func checkSpareMemory(for what: @autoclosure () -> String) throws(SupConError) {
    try require(
        MachineMemory.isSpared(), .memory,
        """
        \(what()) needs \(readable(bytes: MachineMemory.spareByteCount)) to spare, which the \
        system refuses
        """
    )
}

enum MachineMemory {
    /// The bytes that must be left while the library works: for small pieces, whose refusal would
    /// end the process, and for the code that oneDNN generates, about 16 MB, which it does not
    /// check either.
    static let spareByteCount = 32 << 20

    /// Returns whether the system would give as much. It is asked without malloc, which would from
    /// then on keep pieces of that size for itself.
    static func isSpared() -> Bool {
        let memory = mmap(
            nil, spareByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else { return false }
        munmap(memory, spareByteCount)
        return true
    }

    /// Returns the bytes that a new allocation can hope for: MemAvailable of /proc/meminfo, or what
    /// a cgroup leaves of it.
    static func available() -> Int {
        var most = Int.max
        if let text = smallFile("/proc/meminfo"),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
            let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        {
            most = kilobytes * 1024
        }
        if let limit = smallFile("/sys/fs/cgroup/memory.max").flatMap({ Int($0.trimmedLine) }),
            let used = smallFile("/sys/fs/cgroup/memory.current").flatMap({ Int($0.trimmedLine) })
        {
            most = min(most, max(limit - used, 0))
        }
        return most
    }

    private static func smallFile(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // Not an array, because a failed allocation of one would end the process.
        guard let memory = try? AlignedBuffer(byteCount: 8192) else { return nil }
        let count = read(descriptor, memory.pointer, memory.byteCount)
        return count > 0
            ? String(
                decoding: UnsafeRawBufferPointer(start: memory.pointer, count: count),
                as: UTF8.self) : nil
    }
}

extension String {
    fileprivate var trimmedLine: Substring { prefix { $0 != "\n" && $0 != " " } }
}
