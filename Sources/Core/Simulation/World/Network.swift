/// Connections, which keep order and break, between processes that may be on different hosts.
///
/// A message that is on its way when a direction is blocked arrives after it is free again, as TCP
/// sends again; connections overtake each other freely.
struct Connection {
    let ends: [Int]
    /// What is on its way to each end.
    var queues: [[Message]] = [[], []]
    /// Whether each end still listens.
    var isOpen = [true, true]
    /// When the last message to each end arrives: order is kept.
    var arrival = [0, 0]
    let isLocal: Bool

    func index(of process: Int) -> Int { ends[0] == process ? 0 : 1 }
    func peer(of process: Int) -> Int { ends[1 - index(of: process)] }
}

extension World {
    /// Connects two processes.
    func connect(_ one: Int, _ other: Int) -> Int {
        let isLocal =
            processes[one]?.host != nil && processes[one]?.host == processes[other]?.host
        connectionCount += 1
        connections[connectionCount] = Connection(ends: [one, other], isLocal: isLocal)
        processes[one]?.connections.insert(connectionCount)
        processes[other]?.connections.insert(connectionCount)
        return connectionCount
    }

    /// Sends; on a connection that has ended, the message is lost.
    func send(_ message: Message, on number: Int?, from sender: Int) {
        guard let number, var connection = connections[number] else { return }
        let to = 1 - connection.index(of: sender)
        guard connection.isOpen[to] else { return }
        let delay = connection.isLocal ? random.below(2) : faults.latency + random.below(20)
        connection.arrival[to] = max(connection.arrival[to], now + delay)
        connection.queues[to].append(message)
        connections[number] = connection
        clock.plan(
            .delivery(connection: number, to: to), after: connection.arrival[to] - now)
    }

    /// Ends a connection from one side; what was sent before still arrives.
    func close(_ number: Int?, by process: Int) {
        guard let number, let connection = connections[number] else { return }
        let mine = connection.index(of: process)
        guard connection.isOpen[mine] else { return }
        send(.end, on: number, from: process)
        connections[number]?.isOpen[mine] = false
        connections[number]?.queues[mine] = []
        processes[process]?.connections.remove(number)
    }

    /// Breaks a connection for both sides; what is on its way is lost.
    func cut(_ number: Int) {
        guard let connection = connections[number] else { return }
        note("network", "cut \(label(number))")
        for to in 0..<2 where connection.isOpen[to] {
            connections[number]?.queues[to] = [.end]
            clock.plan(.delivery(connection: number, to: to), after: random.below(50))
        }
    }

    /// The oldest message to one end of a connection arrives.
    func deliver(on number: Int, to: Int) {
        guard let connection = connections[number], connection.isOpen[to],
            !connection.queues[to].isEmpty
        else { return forget(number) }
        let (receiver, sender) = (connection.ends[to], connection.ends[1 - to])
        guard let process = processes[receiver] else {
            connections[number]?.isOpen[to] = false
            return forget(number)
        }
        if let free = blockedUntil(from: sender, to: receiver, connection) {
            return clock.plan(.delivery(connection: number, to: to), after: free - now)
        }
        if process.pausedUntil > now {
            return clock.plan(
                .delivery(connection: number, to: to), after: process.pausedUntil - now)
        }
        guard let message = connections[number]?.queues[to].removeFirst() else { return }
        note(process.name, "← \(processName(sender)): \(message)")
        if case .end = message {
            connections[number]?.isOpen[to] = false
            process.connections.remove(number)
            forget(number)
        }
        process.received(message, on: number, in: self)
    }

    private func forget(_ number: Int) {
        guard let connection = connections[number] else { return }
        if !connection.isOpen[0], !connection.isOpen[1] { connections[number] = nil }
    }

    /// Until when a direction is blocked, for connections between hosts.
    private func blockedUntil(from: Int, to: Int, _ connection: Connection) -> Int? {
        guard !connection.isLocal, let one = places[from], let other = places[to] else {
            return nil
        }
        let until = blocked[Direction(from: one, to: other), default: 0]
        return until > now ? until : nil
    }

    private func label(_ number: Int) -> String {
        connections[number].map { "\(processName($0.ends[0]))–\(processName($0.ends[1]))" } ?? ""
    }
}

/// From one host to another; -1 is the operator's place.
struct Direction: Hashable {
    let from: Int
    let to: Int
}
