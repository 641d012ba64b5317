import SupConTensor

extension Dataset {
    /// A folder with a folder per class. Errors: argument, io, format, memory.
    public static func folder(_ path: String, options: DatasetOptions = DatasetOptions()) throws(SupConError) -> Dataset {
        try folder(RawPath(path), options: options)
    }
    public static func folder(_ path: RawPath, options: DatasetOptions = DatasetOptions()) throws(SupConError) -> Dataset {
        throw SupConError(.unsupported, "not yet")
    }
    /// JPEG or PNG files. Errors: argument, shape, io, format, memory.
    public static func files(_ paths: [String], labels: [Int]? = nil, options: DatasetOptions = DatasetOptions()) throws(SupConError) -> Dataset {
        try files(paths.map { RawPath($0) }, labels: labels, options: options)
    }
    public static func files(_ paths: [RawPath], labels: [Int]? = nil, options: DatasetOptions = DatasetOptions()) throws(SupConError) -> Dataset {
        throw SupConError(.unsupported, "not yet")
    }
    public static func idx(images: String, labels: String?, options: DatasetOptions = DatasetOptions()) throws(SupConError) -> Dataset {
        throw SupConError(.unsupported, "not yet")
    }
    public static func cifar(_ paths: [String], classes: Int, options: DatasetOptions = DatasetOptions()) throws(SupConError) -> Dataset {
        throw SupConError(.unsupported, "not yet")
    }
}
