import CSupCon
import SupCon

/// A preset in the form of the C API, which is made once; its pointers are never freed.
private struct CPreset {
    let name: UnsafePointer<CChar>?
    let description: UnsafePointer<CChar>?
    let model: supcon_model_options
    let train: supcon_train_options

    init(_ preset: Preset) {
        (name, description) = (
            StaticStrings.immortal(preset.name), StaticStrings.immortal(preset.description)
        )
        model = supcon_model_options(preset.model)
        var train = supcon_train_options(preset.train)
        train.loss = Self.immortal([supcon_loss_options(preset.train.loss)])
        train.augmentation = Self.immortal([supcon_augmentation_options(preset.train.augmentation)])
        if let second = preset.train.augmentationSecond {
            train.augmentation_second = Self.immortal([supcon_augmentation_options(second)])
        }
        (train.milestones, train.milestone_count) = (
            Self.immortal(preset.train.milestones.map { Int32($0) }),
            Int64(preset.train.milestones.count)
        )
        self.train = train
    }

    /// Returns a pointer to a permanent copy of the values; NULL if there are none.
    private static func immortal<T>(_ values: [T]) -> UnsafePointer<T>? {
        guard !values.isEmpty else { return nil }
        let copy = UnsafeMutablePointer<T>.allocate(capacity: values.count)
        copy.initialize(from: values, count: values.count)
        return UnsafePointer(copy)
    }

    /// The presets, in the order of `Preset.all`.
    nonisolated(unsafe) static let all = Preset.all.map { CPreset($0) }

    /// Returns the preset of a name. Errors: argument.
    static func named(_ name: UnsafePointer<CChar>?) throws(SupConError) -> CPreset {
        all[try Preset.index(of: text(name, "name"))]
    }
}

@c @implementation
public func supcon_preset_count() -> Int64 { Int64(CPreset.all.count) }

@c @implementation
public func supcon_preset_name(_ index: Int64) -> UnsafePointer<CChar>? {
    CPreset.all.indices.contains(Int(index)) ? CPreset.all[Int(index)].name : nil
}

@c @implementation
public func supcon_preset_description(_ name: UnsafePointer<CChar>?) -> UnsafePointer<CChar>? {
    (try? CPreset.named(name))?.description
}

@c @implementation
public func supcon_preset(
    _ name: UnsafePointer<CChar>?, _ model: UnsafeMutablePointer<supcon_model_options>?,
    _ train: UnsafeMutablePointer<supcon_train_options>?
) -> supcon_status {
    status { () throws(SupConError) in
        let preset = try CPreset.named(name)
        // The two are set together.
        try supcon_model_options.check(model)
        try supcon_train_options.check(train)
        if let model { try supcon_model_options.write(preset.model, to: model) }
        if let train { try supcon_train_options.write(preset.train, to: train) }
    }
}
