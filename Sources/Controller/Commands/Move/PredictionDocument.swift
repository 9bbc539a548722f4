import MigrationModel
import Orchestrator
import Planner

/// A range in JSON.
struct SpanDocument<Value: Encodable>: Encodable {
    let low: Value
    let high: Value

    init(_ low: Value, _ high: Value) {
        self.low = low
        self.high = high
    }
}

/// What a move would be like, with what it was computed from, in JSON.
struct PredictionDocument: Encodable {
    let rounds: SpanDocument<Int>
    let totalMs: SpanDocument<Double>
    let blackoutMs: SpanDocument<Double>
    let wireBytes: SpanDocument<UInt64>
    let converges: String
    let measured: Measured

    struct Measured: Encodable {
        let populatedBytes: UInt64
        let zeroBytes: UInt64
        let lanes: Int
        /// Bytes a second.
        let laneRate: SpanDocument<UInt64>
        let codingRatio: SpanDocument<Double>
        let roundTripMs: Double
        let handOverMs: SpanDocument<Double>
        let windows: [Window]
    }

    struct Window: Encodable {
        let ms: Double
        let pages: SpanDocument<UInt64>
    }

    init(_ forecast: Forecast) {
        let prediction = forecast.prediction
        let inputs = prediction.measurements
        rounds = SpanDocument(prediction.rounds.lowerBound, prediction.rounds.upperBound)
        totalMs = Self.span(prediction.total)
        blackoutMs = Self.span(prediction.blackout)
        wireBytes = SpanDocument(
            prediction.bytes.lowerBound.bytes, prediction.bytes.upperBound.bytes)
        converges = prediction.convergenceWords
        measured = Measured(
            populatedBytes: inputs.populatedPages.bytesOfPages,
            zeroBytes: inputs.zeroPages.bytesOfPages, lanes: forecast.lanes,
            laneRate: SpanDocument(
                inputs.laneRate.lowerBound.bytesPerSecond, inputs.laneRate.upperBound.bytesPerSecond
            ),
            codingRatio: SpanDocument(
                inputs.codingRatio.lowerBound, inputs.codingRatio.upperBound),
            roundTripMs: inputs.roundTrip.jsonMilliseconds, handOverMs: Self.span(inputs.stop),
            windows: inputs.windows.map { window in
                Window(
                    ms: window.length.jsonMilliseconds,
                    pages: SpanDocument(
                        window.dirtiedPages.lowerBound, window.dirtiedPages.upperBound))
            })
    }

    private static func span(_ range: ClosedRange<Duration>) -> SpanDocument<Double> {
        SpanDocument(range.lowerBound.jsonMilliseconds, range.upperBound.jsonMilliseconds)
    }
}

/// `prediction`: what the move will be like.
struct PredictionEvent: Encodable {
    let event = "prediction"
    let time = JSONText.time
    let vm: String
    let prediction: PredictionDocument

    init(_ forecast: Forecast, vm: String) {
        self.vm = vm
        prediction = PredictionDocument(forecast)
    }
}
