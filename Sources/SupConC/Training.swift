import CSupCon
import SupCon

extension supcon_event {
    /// Makes the event of the C API; `message` is borrowed.
    init(_ event: TrainEvent, message: UnsafePointer<CChar>?) {
        self = .empty
        kind = event.kind.rawValue
        (epoch, epochs, step, steps) = (
            Int64(event.epoch), Int64(event.epochs), Int64(event.step), Int64(event.steps)
        )
        (loss, learning_rate) = (event.loss, event.learningRate)
        (images_per_second, seconds_left) = (event.imagesPerSecond, event.secondsLeft)
        (knn_accuracy, alignment, uniformity, train_accuracy) = (
            event.knnAccuracy, event.alignment, event.uniformity, event.trainAccuracy
        )
        anchors_without_positive = Int64(event.anchorsWithoutPositive)
        self.message = message
    }
}

@c @implementation
public func supcon_trainer_create(
    _ context: OpaquePointer?, _ model: OpaquePointer?, _ dataset: OpaquePointer?,
    _ options: UnsafePointer<supcon_train_options>?,
    _ trainer: UnsafeMutablePointer<OpaquePointer?>?
) -> supcon_status {
    handle(trainer, "trainer") { () throws(SupConError) in
        try Trainer(
            try ModelHandle.model(model), try DatasetHandle.dataset(dataset),
            try TrainOptions(options), context: try ContextHandle.context(context))
    }
}

@c @implementation
public func supcon_trainer_run(
    _ trainer: OpaquePointer?, _ callback: supcon_train_callback?,
    _ user_data: UnsafeMutableRawPointer?
) -> supcon_status {
    status { () throws(SupConError) in
        let trainer = try object(trainer, Trainer.self, "trainer")
        guard let callback else { return try trainer.run(nil) }
        try trainer.run { event in
            event.message.withCString { message in
                var event = supcon_event(event, message: message)
                return callback(&event, user_data) == 0
            }
        }
    }
}

@c @implementation
public func supcon_trainer_scale_rate(_ trainer: OpaquePointer?, _ factor: Double) -> supcon_status
{
    status { () throws(SupConError) in
        try object(trainer, Trainer.self, "trainer").scaleRate(by: factor)
    }
}

@c @implementation
public func supcon_trainer_save(_ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?)
    -> supcon_status
{
    status { () throws(SupConError) in
        try object(trainer, Trainer.self, "trainer").save(
            SupConC.path(path, "path"))
    }
}

@c @implementation
public func supcon_trainer_keep(_ trainer: OpaquePointer?) -> supcon_status {
    status { () throws(SupConError) in try object(trainer, Trainer.self, "trainer").keep() }
}

@c @implementation
public func supcon_trainer_cancel(_ trainer: OpaquePointer?) {
    object(ifAny: trainer, Trainer.self)?.cancel()
}

@c @implementation
public func supcon_trainer_memory(_ trainer: OpaquePointer?) -> Int64 {
    Int64(object(ifAny: trainer, Trainer.self)?.memoryByteCount ?? 0)
}

@c @implementation
public func supcon_trainer_batch_size(_ trainer: OpaquePointer?) -> Int64 {
    Int64(object(ifAny: trainer, Trainer.self)?.batchSize ?? 0)
}

@c @implementation
public func supcon_trainer_free(_ trainer: OpaquePointer?) { release(trainer, Trainer.self) }
